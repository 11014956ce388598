/** Slabs on several cores: each Worker takes one after another, what they give comes back to whoever asked. */
import { type CodedTensor, QuantiseError } from "./quantise.ts";
import { runSlab, type SlabJob } from "./slab.ts";

interface Waiting {
  job: SlabJob;
  resolve: (out: CodedTensor) => void;
  reject: (error: Error) => void;
}

export class SlabPool {
  readonly #idle: Worker[] = [];
  readonly #all: Worker[] = [];
  readonly #queue: Waiting[] = [];
  readonly #running = new Map<Worker, Waiting>();
  /** Written again and again: fresh memory is dear, as its pages are made when they are first touched. */
  readonly #spare: ArrayBuffer[] = [];

  #failure: Error | null = null;

  /** @param workers 0: slabs run in place, one after the other */
  constructor(readonly workers: number) {}

  /** Starts the Workers, which takes a while; the first job does where this was not called. */
  start(): void {
    while (this.#all.length < this.workers) this.#idle.push(this.#worker());
  }

  /** @throws QuantiseError; Error when the Worker fails. The job's buffers are given away. */
  run(job: SlabJob): Promise<CodedTensor> {
    if (this.workers === 0) return new Promise((resolve) => resolve(runSlab(job)));
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.start();
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#next();
    });
  }

  /** Takes back the words of a result that nobody needs any more. */
  recycle({ buffer }: CodedTensor["words"]): void {
    if (this.#spare.length < 2 * this.workers) this.#spare.push(buffer);
  }

  close(): void {
    this.#fail(new Error("Cannot convert: it was stopped"));
    for (const worker of this.#all) worker.terminate();
  }

  /** Ends all jobs, those to come too. */
  #fail(failure: Error): void {
    this.#failure = failure;
    for (const { reject } of [...this.#running.values(), ...this.#queue]) reject(failure);
    this.#running.clear();
    this.#queue.length = 0;
  }

  #next(): void {
    if (this.#queue.length === 0 || this.#idle.length === 0) return;
    const worker = this.#idle.pop()!, waiting = this.#queue.shift()!;
    this.#running.set(worker, waiting);
    const { input } = waiting.job;
    const spare = this.#spare.pop();
    const given = input.bytes instanceof Uint8Array ? [input.bytes.buffer] : [];
    worker.postMessage({ ...waiting.job, spare }, spare === undefined ? given : [...given, spare]);
  }

  #worker(): Worker {
    const worker = new Worker(new URL("./slab_worker.ts", import.meta.url), { type: "module" });
    this.#all.push(worker);
    worker.onmessage = ({ data }: MessageEvent<CodedTensor & { error?: string; row?: number | null }>) => {
      const waiting = this.#running.get(worker);
      this.#running.delete(worker);
      this.#idle.push(worker);
      if (data.error === undefined) waiting?.resolve(data);
      else {
        waiting?.reject(typeof data.row === "number" ? new QuantiseError(data.row) : new Error(data.error));
      }
      this.#next();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`Cannot convert: a worker failed: ${event.message}`));
    };
    return worker;
  }
}
