/** Works off the batches of a server one after the other, on the engine that answers everybody else too. */
import { runBatch, type Sent } from "./batch_run.ts";
import type { BatchStore, StoredBatch } from "./batch_store.ts";

/** One request for the owner of a batch. */
export type Answer = (
  owner: string,
  path: string,
  body: Record<string, unknown>,
  signal: AbortSignal | undefined,
) => Promise<Sent>;

/** Requests under way at a time: others shall find room. */
const PARALLEL = 4;
const now = (): number => Math.floor(Date.now() / 1000);

export class BatchWorker {
  readonly #stop = new AbortController();
  /** Ends the batch under way. */
  #cancel: { id: string; controller: AbortController } | null = null;
  #running: Promise<void> | null = null;

  /** @param report hears of what no client caused */
  constructor(
    readonly store: BatchStore,
    private readonly answer: Answer,
    private readonly report: (error: unknown) => void,
  ) {}

  /** Begins with what is there, if it is not at work already. */
  wake(): void {
    if (this.#running !== null || this.#stop.signal.aborted) return;
    this.#running = this.#work().catch(this.report).finally(() => this.#running = null);
  }

  cancel(id: string): void {
    if (this.#cancel?.id === id) this.#cancel.controller.abort();
    else this.wake();
  }

  /** What is under way goes on when the server is started again. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.store.close();
  }

  async #work(): Promise<void> {
    for (let batch; !this.#stop.signal.aborted && (batch = this.store.nextOpen()) !== null;) {
      if (batch.status === "cancelling") {
        this.store.update(batch.id, { status: "cancelled", finished: now() });
      } else await this.#run(batch);
    }
  }

  async #run({ id, owner, input, endpoint, started }: StoredBatch): Promise<void> {
    const { store } = this;
    const files = { output: `file-${id}-output`, errors: `file-${id}-errors` };
    const controller = new AbortController();
    this.#cancel = { id, controller };
    const signal = AbortSignal.any([controller.signal, this.#stop.signal]);
    let told = -Infinity;
    try {
      const result = await runBatch({
        input: store.path(input),
        output: store.path(files.output),
        errors: store.path(files.errors),
        parallel: PARALLEL,
        signal,
        send: (path, body, _, signal) => {
          if (path === endpoint) return this.answer(owner, path, body, signal);
          const error = { code: "mismatched_endpoint", message: `url is not the batch's ${endpoint}` };
          return Promise.resolve({ status: 400, requestId: "", retryAfter: 0, body: { error } });
        },
        onProgress: (done, total) => {
          if (done !== total && Date.now() - told < 500) return;
          const first = told === -Infinity && !signal.aborted;
          told = Date.now();
          store.update(id, {
            ...(first ? { status: "in_progress", started: started ?? now() } : {}),
            total,
            completed: done,
          });
        },
      });
      this.#enter(owner, files);
      store.update(id, {
        status: "completed",
        finished: now(),
        completed: result.answered,
        failed: result.failed,
        output: result.answered > 0 ? files.output : null,
        errors: result.failed > 0 ? files.errors : null,
      });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const cancelled = controller.signal.aborted;
      if (cancelled) this.#enter(owner, files);
      store.update(id, {
        status: cancelled ? "cancelled" : "failed",
        finished: now(),
        ...(cancelled ? { output: files.output } : { problem: problemOf(error) }),
      });
    } finally {
      this.#cancel = null;
    }
  }

  #enter(owner: string, files: Record<string, string>): void {
    for (const [kind, id] of Object.entries(files)) {
      const { size } = Deno.statSync(this.store.path(id));
      const filename = `batch_${kind}.jsonl`;
      this.store.enterFile({ id, owner, filename, purpose: "batch_output", bytes: size, created: now() });
    }
  }
}

/** Without the server's own paths. */
const problemOf = (error: unknown): string =>
  (error as Error).message.replace(/Cannot use \S+, /, "").replace(/\S*\/files\/(\S+)/g, "$1");
