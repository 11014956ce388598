/** The media worker's thread: one job at a time, errors reduced to code, message and field. */

import { PromptError } from "../families/family.ts";
import { type JobInput, type JobKind, runJob, transferable } from "./media_jobs.ts";

export interface Request {
  id: number;
  kind: JobKind;
  input: unknown;
}

export type Reply =
  | { id: number; result: unknown }
  | { id: number; error: { message: string; code: string | null; param: string | null } };

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(reply: Reply, transfer?: Transferable[]): void;
};

scope.onmessage = async ({ data: { id, kind, input } }) => {
  try {
    const result = await runJob(kind, input as JobInput<typeof kind>);
    scope.postMessage({ id, result }, transferable(result));
  } catch (error) {
    // A decoder's own words never leave this thread.
    const known = error instanceof PromptError;
    scope.postMessage({
      id,
      error: {
        message: known ? error.message : "The medium cannot be processed",
        code: known ? error.code : "media_failed",
        param: known ? error.param : "messages",
      },
    });
  }
};
