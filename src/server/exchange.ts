/** One request and its answer: id, caller, and the line in the log when it is over. */

import type { Log, LogFields } from "./log.ts";

/** Whose turn in the queue, and whose caches. */
export interface Caller {
  key: string;
  salt: string;
}

export class Exchange {
  readonly id: string;
  /** Who asks; nobody in particular without keys. */
  caller: Caller = { key: "", salt: "" };
  /** The answer goes on after the response was returned: `end` is called when it is over. */
  streaming = false;
  readonly #log: Log;
  readonly #started = performance.now();
  readonly #fields: LogFields;
  readonly #over: (() => void)[] = [];
  #ended = false;

  constructor(request: Request, log: Log) {
    const given = request.headers.get("x-request-id") ?? "";
    this.id = /^[\w.:-]{1,128}$/.test(given) ? given : crypto.randomUUID();
    this.#log = log;
    this.#fields = { id: this.id, method: request.method, path: new URL(request.url).pathname.slice(0, 200) };
  }

  /** More for the log line. */
  note(fields: LogFields): void {
    Object.assign(this.#fields, fields);
  }

  /** An error that no client caused. */
  readonly report = (error: unknown): void => {
    const cause = error instanceof Error ? error.stack ?? error.message : String(error);
    this.#log.error("failure", { id: this.id, cause });
  };

  /** To be done when the answer is over. */
  whenOver(action: () => void): void {
    this.#over.push(action);
  }

  /** `completed` false: the client left. */
  end(completed: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const action of this.#over) action();
    const ms = Math.round(performance.now() - this.#started);
    this.#log.info("request", { ...this.#fields, ms, ...(completed ? {} : { aborted: true }) });
  }
}
