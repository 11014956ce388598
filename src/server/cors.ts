/** Pages of other origins that may use this server, where the operator names them. */

const METHODS = "GET, POST, DELETE, OPTIONS";
/** What SDKs send; `*` would leave `authorization` out. */
const HEADERS =
  /^(authorization|content-type|accept|x-api-key|x-request-id|anthropic-[\w-]+|x-stainless-[\w-]+)$/i;
const EXPOSED = "x-request-id, x-valley-ignored, retry-after";

/** The answer to a browser that asks beforehand; null: it is no such question, or its origin may not. */
export function preflight(request: Request, allowed: readonly string[]): Response | null {
  const { headers } = request;
  if (request.method !== "OPTIONS" || !headers.has("access-control-request-method")) return null;
  const origin = allowedOrigin(headers, allowed);
  if (origin === null) return null;
  const asked = (headers.get("access-control-request-headers") ?? "").split(",").map((name) => name.trim());
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": origin,
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers": asked.filter((name) => HEADERS.test(name)).join(", "),
      "access-control-max-age": "600",
      vary: "Origin",
    },
  });
}

/** Lets a page of an allowed origin read the answer. */
export function allowOrigin(request: Request, response: Response, allowed: readonly string[]): void {
  if (allowed.length === 0) return;
  response.headers.append("vary", "Origin");
  const origin = allowedOrigin(request.headers, allowed);
  if (origin === null) return;
  response.headers.set("access-control-allow-origin", origin);
  response.headers.set("access-control-expose-headers", EXPOSED);
}

/** Never with credentials: keys go in a header that a page must know. */
function allowedOrigin(headers: Headers, allowed: readonly string[]): string | null {
  const origin = headers.get("origin");
  if (origin === null) return null;
  if (allowed.includes("*")) return "*";
  return allowed.includes(origin.toLowerCase()) ? origin : null;
}
