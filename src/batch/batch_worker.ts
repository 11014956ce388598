/** Works off the batches of a server one after the other, on the engine that answers everybody else too. */
import { setTimeout as pause } from "node:timers/promises";
import { diskFull } from "../common/disk_full.ts";
import { runBatch, type Sent } from "./batch_run.ts";
import type { BatchStore, StoredBatch } from "./batch_store.ts";

/** One request for the owner of a batch. */
export type Answer = (
  owner: string,
  path: string,
  body: Record<string, unknown>,
  signal: AbortSignal | undefined,
) => Promise<Sent>;

/** The server that a batch is worked off in. */
export interface BatchHost {
  answer: Answer;
  /** The owner may still ask. */
  knows(owner: string): boolean;
  /** Requests that the engine answers at a time. */
  places(): number;
  /** Hears of what no client caused. */
  report(error: unknown): void;
}

/** Requests under way at a time, in half of the places at most: others shall find room. */
const PARALLEL = 4;
/** Milliseconds until a batch that found the disk full goes on. */
const UNTIL_ROOM = 5000;
/** Files that a batch makes. */
const KINDS = ["output", "errors"] as const;
type Kind = typeof KINDS[number];
const now = (): number => Math.floor(Date.now() / 1000);

export class BatchWorker {
  readonly #stop = new AbortController();
  /** Ends the batch under way. */
  #cancel: { id: string; controller: AbortController } | null = null;
  #running: Promise<void> | null = null;

  /** @param untilRoom milliseconds */
  constructor(
    readonly store: BatchStore,
    private readonly host: BatchHost,
    private readonly untilRoom = UNTIL_ROOM,
  ) {}

  /** Begins with what is there, if it is not at work already. */
  wake(): void {
    if (this.#running !== null || this.#stop.signal.aborted) return;
    this.#running = this.#work().catch(this.host.report).finally(() => this.#running = null);
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
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        if (!await this.#next()) return;
      } catch (error) {
        if (!diskFull(error)) throw error;
        this.host.report(error);
        await pause(this.untilRoom, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** @returns false: none is open. @throws where the disk is full: the batch stays as it is */
  async #next(): Promise<boolean> {
    const batch = this.store.nextOpen();
    if (batch === null) return false;
    if (batch.status === "cancelling") {
      this.store.update(batch.id, { status: "cancelled", finished: now() });
    } else await this.#run(batch);
    return true;
  }

  async #run({ id, owner, input, endpoint, started }: StoredBatch): Promise<void> {
    const { store, host } = this;
    const files: Record<Kind, string> = { output: `file-${id}-output`, errors: `file-${id}-errors` };
    const controller = new AbortController();
    this.#cancel = { id, controller };
    const signal = AbortSignal.any([controller.signal, this.#stop.signal]);
    let told = -Infinity, known = true;
    try {
      const result = await runBatch({
        input: store.path(input),
        output: store.path(files.output),
        errors: store.path(files.errors),
        parallel: Math.max(1, Math.min(PARALLEL, Math.floor(host.places() / 2))),
        waitOut: [503],
        signal,
        send: (path, body, _, signal) => {
          if (!host.knows(owner)) {
            known = false;
            controller.abort();
            return Promise.reject(new Error("The owner is gone"));
          }
          if (path === endpoint) return host.answer(owner, path, body, signal);
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
      for (const kind of KINDS) this.#enter(owner, kind, files[kind]);
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
      const ended = controller.signal.aborted;
      if (diskFull(error) && !ended) throw error;
      // Before the input's lines were known there is neither.
      const kept = ended ? KINDS.filter((kind) => isThere(store.path(files[kind]))) : [];
      for (const kind of kept) this.#enter(owner, kind, files[kind]);
      store.update(id, {
        status: ended && known ? "cancelled" : "failed",
        finished: now(),
        ...(ended ? {} : { problem: problemOf(error) }),
        ...(kept.includes("output") ? { output: files.output } : {}),
        ...(known ? {} : { problem: "The API key that the batch belongs to is not known any more" }),
      });
    } finally {
      this.#cancel = null;
    }
  }

  #enter(owner: string, kind: Kind, id: string): void {
    const { size } = Deno.statSync(this.store.path(id));
    const filename = `batch_${kind}.jsonl`;
    this.store.enterFile({ id, owner, filename, purpose: "batch_output", bytes: size, created: now() });
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Without the server's own paths. */
const problemOf = (error: unknown): string =>
  (error as Error).message.replace(/Cannot use \S+, /, "").replace(/\S*\/files\/(\S+)/g, "$1");
