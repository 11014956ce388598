/** Media workers: a queue, a deadline a job (the worker is ended and replaced), nothing on the main thread. */

import { PromptError } from "../families/family.ts";
import type { JobInput, JobKind, JobOutput } from "./media_jobs.ts";
import type { Reply } from "./media_worker.ts";

export interface PoolOptions {
  threads: number;
  /** What a worker may do beyond computing: ["ffmpeg", "ffprobe"] to run, or nothing. */
  run: string[];
}

interface Job {
  kind: JobKind;
  input: unknown;
  deadlineMs: number;
  signal: AbortSignal | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  /** The job in work and what to do when it ends. */
  job: Job | null;
  timer: ReturnType<typeof setTimeout> | undefined;
  onAbort: (() => void) | null;
}

export class MediaPool {
  readonly #options: PoolOptions;
  readonly #queue: Job[] = [];
  readonly #threads: Thread[] = [];
  #closed = false;
  #nextId = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /**
   * Runs a job in a worker. The deadline counts from its start. Rejects with PromptError (`media_timeout` when
   * it took too long) or with the signal's reason.
   */
  run<K extends JobKind>(
    kind: K,
    input: JobInput<K>,
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<JobOutput<K>> {
    if (this.#closed) return Promise.reject(new Error("Cannot process media: the pool is closed"));
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<JobOutput<K>>((resolve, reject) => {
      this.#queue.push({
        kind,
        input,
        deadlineMs,
        signal,
        resolve: resolve as (result: unknown) => void,
        reject,
      });
      this.#dispatch();
    });
  }

  /** Ends all workers; jobs in work or waiting are rejected. */
  close(): void {
    this.#closed = true;
    const error = new Error("Cannot process media: the pool is closed");
    for (const job of this.#queue.splice(0)) job.reject(error);
    for (const thread of [...this.#threads]) this.#end(thread, error);
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      if (this.#queue[0].signal?.aborted) {
        const job = this.#queue.shift()!;
        job.reject(job.signal!.reason);
        continue;
      }
      let thread = this.#threads.find((one) => one.job === null);
      if (thread === undefined && this.#threads.length < this.#options.threads) thread = this.#spawn();
      if (thread === undefined) return;
      this.#start(thread, this.#queue.shift()!);
    }
  }

  #start(thread: Thread, job: Job): void {
    thread.job = job;
    thread.timer = setTimeout(() => {
      const seconds = job.deadlineMs / 1000;
      this.#end(
        thread,
        new PromptError(`The medium took longer than ${seconds} seconds to read`, "media_timeout"),
      );
    }, job.deadlineMs);
    thread.onAbort = () => this.#end(thread, job.signal!.reason);
    job.signal?.addEventListener("abort", thread.onAbort);
    thread.worker.postMessage({ id: this.#nextId++, kind: job.kind, input: job.input });
  }

  #finish(thread: Thread): Job | null {
    const { job } = thread;
    clearTimeout(thread.timer);
    if (thread.onAbort !== null) job?.signal?.removeEventListener("abort", thread.onAbort);
    thread.job = null, thread.onAbort = null;
    return job;
  }

  /** Ends a thread for good; a new one is started when a job needs it. */
  #end(thread: Thread, error: unknown): void {
    thread.worker.terminate();
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    this.#finish(thread)?.reject(error);
    if (!this.#closed) this.#dispatch();
  }

  #spawn(): Thread {
    const { run } = this.#options;
    const worker = new Worker(new URL("./media_worker.ts", import.meta.url), {
      type: "module",
      name: "media",
      deno: {
        permissions: {
          net: false,
          env: false,
          ffi: false,
          sys: false,
          read: false,
          write: false,
          import: false,
          run: run.length === 0 ? false : run,
        },
      },
    } as WorkerOptions);
    const thread: Thread = { worker, job: null, timer: undefined, onAbort: null };
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const job = this.#finish(thread);
      if (job === null) return;
      if ("error" in data) {
        job.reject(new PromptError(data.error.message, data.error.code, data.error.param));
      } else {
        job.resolve(data.result);
      }
      this.#dispatch();
    };
    worker.onerror = (event) => {
      event.preventDefault(); // a worker's death is this job's failure, not the process's
      if (this.#threads.includes(thread)) {
        this.#end(thread, new PromptError("The medium cannot be processed", "media_failed"));
      }
    };
    this.#threads.push(thread);
    return thread;
  }
}
