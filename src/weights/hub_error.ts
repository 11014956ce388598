/** What a hub did wrong, and whether to ask it again. */

/** A hub that answers wrongly or not at all. `retry`: another try may help, after `waitSeconds` at the earliest. */
export class HubError extends Error {
  constructor(message: string, readonly retry: boolean, readonly waitSeconds = 0) {
    super(message);
    this.name = "HubError";
  }
}

/** @param token one was sent */
export function statusError(reply: Response, path: string, token: boolean): HubError {
  const { status } = reply;
  const after = Number(reply.headers.get("retry-after"));
  const retry = status === 408 || status === 416 || status === 429 || status >= 500;
  const hint = status === 401 || status === 403
    ? token ? ": HF_TOKEN does not open it" : ": it needs a token in HF_TOKEN, or is not there"
    : status === 404
    ? ": it is not there"
    : "";
  return new HubError(
    `The hub answers ${status} to ${path}${hint}`,
    retry,
    after > 0 ? Math.min(after, 300) : 0,
  );
}
