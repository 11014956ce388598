/**
 * Grammars in the engine: one Worker compiles them and knows what may come next. A grammar that is not compiled in
 * time ends the Worker; another takes its place, and the answers under way go on where they were.
 */

import type { FromGrammarWorker, ToGrammarWorker } from "./grammar_worker.ts";
import { GrammarError, type GrammarSpec, type Vocabulary } from "./spec.ts";

export const COMPILE_MS = 2000;
/** Setting up with a large vocabulary and compiling again what is in use, after a restart. */
const START_MS = 10_000;

export interface GrammarListener {
  /** Ids that may come next, one bit an id; null: the answer cannot go on. */
  (mask: Uint32Array | null): void;
}

interface Open {
  key: string;
  ids: number[];
  listener: GrammarListener;
}

interface Job {
  key: string;
  done(problem: GrammarError | null): void;
}

export class Grammars {
  readonly #vocabulary: Vocabulary;
  readonly #compileMs: number;
  readonly #open = new Map<number, Open>();
  readonly #jobs = new Map<number, Job>();
  #worker: Worker | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The Worker has taken in the vocabulary. */
  #warm = false;
  #next = 1;

  constructor(vocabulary: Vocabulary, compileMs = COMPILE_MS) {
    this.#vocabulary = vocabulary;
    this.#compileMs = compileMs;
  }

  /** Rejects with GrammarError where the grammar can't be used. */
  compile(spec: GrammarSpec): Promise<void> {
    return new Promise((resolve, reject) => {
      const job = this.#next++;
      this.#jobs.set(job, {
        key: JSON.stringify(spec),
        done: (problem) => problem === null ? resolve() : reject(problem),
      });
      this.#ask(job);
    });
  }

  /** A matcher at its beginning; `listener` hears the mask of the first id, and after each `accept` of the next. */
  open(spec: GrammarSpec, listener: GrammarListener): { accept(id: number): void; close(): void } {
    const matcher = this.#next++, key = JSON.stringify(spec);
    const open: Open = { key, ids: [], listener };
    this.#open.set(matcher, open);
    this.#post({ type: "open", matcher, key, ids: [] });
    return {
      accept: (id) => {
        open.ids.push(id);
        this.#post({ type: "accept", matcher, id });
      },
      close: () => {
        if (this.#open.delete(matcher)) this.#post({ type: "close", matcher });
      },
    };
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#worker?.terminate();
    this.#worker = null;
  }

  #ask(job: number): void {
    const { key } = this.#jobs.get(job)!;
    this.#post({ type: "compile", job, key });
    this.#watch();
  }

  /** The oldest compilation has its time from when it may begin. */
  #watch(): void {
    if (this.#timer !== undefined || this.#jobs.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const [[job, { done }]] = this.#jobs;
      this.#jobs.delete(job);
      this.#restart();
      done(
        new GrammarError(
          `It could not be compiled within ${this.#compileMs / 1000} s`,
          "grammar_too_complex",
        ),
      );
    }, this.#warm ? this.#compileMs : START_MS + this.#compileMs);
  }

  #post(message: ToGrammarWorker): void {
    if (this.#worker === null) this.#start();
    this.#worker!.postMessage(message);
  }

  #start(): void {
    const worker = new Worker(new URL("./grammar_worker.ts", import.meta.url), {
      type: "module",
      name: "grammar",
      deno: { permissions: "none" },
    } as WorkerOptions);
    this.#worker = worker;
    this.#warm = false;
    worker.onmessage = ({ data }: MessageEvent<FromGrammarWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#worker === worker) this.#fail();
    };
    worker.postMessage({ type: "vocabulary", vocabulary: this.#vocabulary } satisfies ToGrammarWorker);
  }

  /** A new Worker, brought to where the old one was. */
  #restart(): void {
    this.end();
    this.#start();
    for (const [matcher, { key, ids }] of this.#open) this.#post({ type: "open", matcher, key, ids });
    for (const [job, { key }] of this.#jobs) this.#post({ type: "compile", job, key });
    this.#timer = undefined;
    this.#watch();
  }

  /** The Worker died: whatever it was at is to blame, and nothing of it goes on. */
  #fail(): void {
    this.end();
    const jobs = [...this.#jobs.values()], open = [...this.#open.values()];
    this.#jobs.clear();
    this.#open.clear();
    this.#timer = undefined;
    for (const { done } of jobs) done(new GrammarError("It could not be compiled", "grammar_too_complex"));
    for (const { listener } of open) listener(null);
  }

  #receive(message: FromGrammarWorker): void {
    if (message.type === "ready") {
      this.#warm = true;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#watch();
      return;
    }
    if (message.type === "mask") {
      const open = this.#open.get(message.matcher);
      if (message.mask === null) this.#open.delete(message.matcher);
      open?.listener(message.mask);
      return;
    }
    const job = this.#jobs.get(message.job);
    if (job === undefined) return;
    this.#jobs.delete(message.job);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watch();
    job.done(message.problem === null ? null : new GrammarError(message.problem, "invalid_grammar"));
  }
}
