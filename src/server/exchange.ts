/** One request and its answer: id, caller, and the line in the log when it is over. */

import type { Log, LogFields } from "./log.ts";
import type { Metrics } from "./metrics.ts";

/** Whose turn in the queue, and whose caches. */
export interface Caller {
  key: string;
  salt: string;
  /** Others come first. */
  background?: boolean;
}

export class Exchange {
  readonly id: string;
  /** Who asks; nobody in particular without keys. */
  caller: Caller = { key: "", salt: "" };
  /** The answer goes on after the response was returned: `end` is called when it is over. */
  streaming = false;
  /** As it stands in the table of routes. */
  route = "other";
  status = 0;
  /** The request's JSON where it was parsed before, as a batch's line is; nobody changes it. */
  body: unknown;
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #started = performance.now();
  readonly #fields: LogFields;
  readonly #over: (() => void)[] = [];
  #ended = false;
  #lastTokens = 0;

  constructor(request: Request, log: Log, metrics: Metrics) {
    const given = request.headers.get("x-request-id") ?? "";
    this.id = /^[\w.:-]{1,128}$/.test(given) ? given : crypto.randomUUID();
    this.#log = log;
    this.#metrics = metrics;
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
    const ms = performance.now() - this.#started;
    this.#metrics.request(this.route, this.status, ms / 1000, !completed);
    const fields = { ...this.#fields, status: this.status, ms: Math.round(ms) };
    this.#log.info("request", completed ? fields : { ...fields, aborted: true });
  }

  /** Tokens of a choice have come. */
  tokens(count: number, first: boolean): void {
    const now = performance.now();
    if (first) {
      this.#metrics.firstToken((now - this.#started) / 1000);
      this.note({ first_token_ms: Math.round(now - this.#started) });
    }
    const each = (now - this.#lastTokens) / 1000 / count; // they come in groups
    for (let i = 0; i < count && !first; i++) this.#metrics.betweenTokens(each);
    this.#lastTokens = now;
  }
}
