/**
 * The main thread's view of the engine: starts the Worker, passes requests to it, and starts another when it dies.
 * Each request ends: with its finish, or with an EngineError.
 */

import type { ModelInfo, Prompt } from "../families/family.ts";
import { admissible } from "./admission.ts";
import { EngineError, type EngineStats, type GenerateParams, type GenerationEvent } from "./generation.ts";
import { GrammarError, type GrammarSpec, type Vocabulary } from "./grammar/spec.ts";
import { EventQueue } from "./event_queue.ts";
import type { SavedCounts } from "./saved_cache.ts";
import type { FromWorker, LoadRequest, ToWorker } from "./protocol.ts";

export type EngineState = "loading" | "ready" | "failed" | "closed";

/** Pauses before the tries to load again after a loss, ms. */
const RETRY_MS = [0, 500, 2000];

/** So long after its last request a key's share of the places is kept for it, ms. */
const ASKER_MS = 10_000;

export class EngineClient {
  state: EngineState = "loading";
  /** Of the loaded model; null before. */
  info: ModelInfo | null = null;
  /** What the caches hold from before the start. */
  restored: SavedCounts = { blocks: 0, media: 0 };
  readonly #url: URL;
  readonly #request: LoadRequest;
  readonly #log: (message: string) => void;
  readonly #open = new Map<number, EventQueue>();
  readonly #stats = new Map<number, (stats: EngineStats | null) => void>();
  readonly #saves = new Map<number, (result: { counts: SavedCounts; problem: string | null }) => void>();
  readonly #compilations = new Map<number, (problem: GrammarError | EngineError | null) => void>();
  #worker: Worker | null = null;
  /** The Worker that knows the vocabulary. */
  #taught: Worker | null = null;
  /** When each key asked last. */
  readonly #asked = new Map<string, number>();
  #nextId = 1;
  #losses = 0;
  #started!: { resolve: () => void; reject: (error: Error) => void };
  /** Resolves when the model is loaded the first time; rejects if it can't be. */
  readonly ready: Promise<void>;

  /** `url`: the Worker's entry. `log` hears of losses and restarts. */
  constructor(url: URL, request: LoadRequest, log: (message: string) => void = () => {}) {
    this.#url = url;
    this.#request = request;
    this.#log = log;
    this.ready = new Promise((resolve, reject) => this.#started = { resolve, reject });
    this.ready.catch(() => {});
    this.#start();
  }

  /** Requests in the engine. */
  get active(): number {
    return this.#open.size;
  }

  /**
   * Takes a request; its arrays are moved to the Worker. Throws EngineError at once if it can't be taken. What is
   * returned ends after an event with `finish`, or throws EngineError. When `signal` aborts, the engine drops the
   * request and the iteration ends with finish "abort"; a request that is not iterated must be aborted.
   */
  generate(prompt: Prompt, params: GenerateParams, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    if (this.info === null || this.state !== "ready") {
      throw new EngineError("The engine is not ready", "unavailable");
    }
    admissible(prompt, params, this.info);
    this.checkRoom(params.key);
    const id = this.#nextId++;
    const open = new EventQueue(params.key);
    if (signal.aborted) return this.#listen(id, open, signal, () => {});
    this.#open.set(id, open);
    this.#post({ type: "generate", id, prompt, params }, [...buffersOf(prompt)]);
    // Heard also while nobody iterates.
    const drop = () => {
      signal.removeEventListener("abort", drop);
      if (this.#open.delete(id)) this.#post({ type: "abort", id });
      open.wake();
    };
    signal.addEventListener("abort", drop);
    return this.#listen(id, open, signal, drop);
  }

  /** Throws EngineError if the queue is full, for this key or at all: a cheap look before a request is read. */
  checkRoom(key: string): void {
    const { info } = this;
    if (info === null) return;
    const { maxWaiting, maxWaitingPerKey } = this.#request.options;
    const ofKey = [...this.#open.values()].filter((open) => open.key === key).length;
    const places = info.maxSequences + maxWaiting;
    if (
      this.#open.size >= places || ofKey >= info.maxSequences + maxWaitingPerKey ||
      ofKey >= Math.ceil(places / this.#askers(key))
    ) throw new EngineError(`The queue is full: ${this.#open.size} requests are open`, "full");
  }

  /** Keys that asked of late, this one among them: none of them may take the places of the others. */
  #askers(key: string): number {
    const now = performance.now();
    this.#asked.set(key, now);
    for (const [other, at] of this.#asked) if (now - at > ASKER_MS) this.#asked.delete(other);
    return this.#asked.size;
  }

  /** `drop` takes the request out of the engine, if it is still there. */
  async *#listen(
    id: number,
    open: EventQueue,
    signal: AbortSignal,
    drop: () => void,
  ): AsyncGenerator<GenerationEvent> {
    try {
      for (;;) {
        if (signal.aborted) {
          yield { ids: [], cachedTokens: 0, finish: "abort", stopId: null };
          return;
        }
        const event = open.take();
        if (event === null) {
          await open.changed();
          continue;
        }
        if (event.finish !== null) this.#open.delete(id);
        yield event;
        if (event.finish !== null) return;
      }
    } finally {
      if (open.failed) this.#open.delete(id);
      drop();
    }
  }

  /**
   * Makes sure that a grammar can be used. `vocabulary` is asked for before the first one. Rejects with GrammarError, or
   * with EngineError if the engine goes away meanwhile.
   */
  async compile(spec: GrammarSpec, vocabulary: () => Promise<Vocabulary>): Promise<void> {
    await this.teach(vocabulary);
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<GrammarError | EngineError | null>();
    this.#compilations.set(id, resolve);
    this.#post({ type: "compile", id, spec });
    const problem = await promise;
    this.#compilations.delete(id);
    if (problem !== null) throw problem;
  }

  /** Gives the Worker the tokenizer, once. Requests that constrain their answers need it. */
  async teach(vocabulary: () => Promise<Vocabulary>): Promise<void> {
    const ready = () => {
      if (this.state !== "ready") throw new EngineError("The engine is not ready", "unavailable");
    };
    ready();
    if (this.#taught === this.#worker) return;
    const known = await vocabulary();
    ready(); // the Worker may have died meanwhile; another that still loads would drop what it is told
    if (this.#taught === this.#worker) return;
    this.#taught = this.#worker;
    this.#post({ type: "vocabulary", vocabulary: known });
  }

  /** The engine's counters; null if it does not answer within `timeoutMs`. */
  stats(timeoutMs = 5000): Promise<EngineStats | null> {
    if (this.state !== "ready") return Promise.resolve(null);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), timeoutMs);
      const done = (stats: EngineStats | null) => {
        clearTimeout(timer);
        this.#stats.delete(id);
        resolve(stats);
      };
      this.#stats.set(id, done);
      this.#post({ type: "stats", id });
    });
  }

  /** Writes the caches to where the load request says; what was saved, or null if it was not within `timeoutMs`. */
  save(timeoutMs: number): Promise<{ counts: SavedCounts; problem: string | null } | null> {
    if (this.state !== "ready" || this.#request.saved === null) return Promise.resolve(null);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), timeoutMs);
      const done = (result: { counts: SavedCounts; problem: string | null } | null) => {
        clearTimeout(timer);
        this.#saves.delete(id);
        resolve(result);
      };
      this.#saves.set(id, done);
      this.#post({ type: "save", id });
    });
  }

  /** Ends the Worker; requests still open fail. */
  close(): void {
    this.state = "closed";
    this.#worker?.terminate();
    this.#worker = null;
    this.#failAll(new EngineError("The server is shutting down", "unavailable"));
    this.#started.reject(new EngineError("The engine was closed", "unavailable"));
  }

  #start(): void {
    const worker = new Worker(this.#url, { type: "module", name: "engine" });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#worker === worker) this.#lose(event.message);
    };
    this.#post({ type: "load", request: this.#request });
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "ready":
        this.info = message.info;
        this.restored = message.restored;
        this.state = "ready";
        this.#started.resolve();
        return;
      case "load-failed":
        if (this.info === null) {
          this.state = "failed";
          this.#started.reject(new Error(message.message));
        } else this.#lose(message.message);
        return;
      case "event":
        if (message.event.finish !== null) this.#losses = 0;
        this.#open.get(message.id)?.push(message.event);
        return;
      case "failed":
        this.#open.get(message.id)?.fail(new EngineError(message.message, message.code));
        return;
      case "compiled": {
        const { problem } = message;
        this.#compilations.get(message.id)?.(problem && new GrammarError(problem.message, problem.code));
        return;
      }
      case "stats":
        this.#stats.get(message.id)?.(message.stats);
        return;
      case "saved":
        this.#saves.get(message.id)?.(message);
        return;
      case "lost":
        this.#lose(message.reason);
    }
  }

  /** The device or the Worker is gone: all requests fail, and another Worker is started. */
  #lose(reason: string): void {
    if (this.state === "closed") return;
    this.#worker?.terminate();
    this.#worker = null;
    this.#failAll(new EngineError("The device was lost; the request was not finished", "device_lost"));
    for (const done of this.#stats.values()) done(null);
    const pause = RETRY_MS[this.#losses++];
    this.#log(`Engine lost: ${reason}${pause === undefined ? "" : "; loading again"}`);
    if (pause === undefined || this.info === null) {
      this.state = "failed";
      this.#started.reject(new Error(reason));
      return;
    }
    this.state = "loading";
    setTimeout(() => this.state === "loading" && this.#start(), pause);
  }

  #failAll(error: EngineError): void {
    for (const open of this.#open.values()) open.fail(error);
    for (const done of this.#compilations.values()) done(error);
  }
}

/** Large arrays of a prompt: moved, not copied. */
function* buffersOf(prompt: Prompt): Generator<ArrayBuffer> {
  const seen = new Set<ArrayBufferLike>();
  for (const array of [prompt.ids, prompt.positions, ...prompt.media.map((medium) => medium.data)]) {
    if (array === null || seen.has(array.buffer) || !(array.buffer instanceof ArrayBuffer)) continue;
    seen.add(array.buffer);
    yield array.buffer;
  }
}
