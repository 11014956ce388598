/** Runs traces and holds every finished answer against the cold one. */

import { DEFAULT_ENGINE_OPTIONS, Engine } from "../../src/engine/engine.ts";
import type { EngineError, GenerateParams, GenerationEvent } from "../../src/engine/generation.ts";
import type { Model } from "../../src/families/family.ts";
import { promptOf, Random, type Recipe, type Request, TraceMaker, type TraceShape } from "./traces.ts";

const REQUESTS = 20;

interface Answer {
  ids: number[];
  cachedTokens: number;
  error: EngineError | null;
}

/** An engine whose requests are promises. */
class Runner {
  readonly engine: Engine;
  readonly #open = new Map<number, { ids: number[]; resolve: (answer: Answer) => void }>();
  #next = 1;

  constructor(model: Model, options: Partial<typeof DEFAULT_ENGINE_OPTIONS>) {
    this.engine = new Engine(model, {
      event: (id, event) => this.#event(id, event),
      failed: (id, error) => this.#end(id, { ids: [], cachedTokens: 0, error }),
      lost: () => {},
    }, { ...DEFAULT_ENGINE_OPTIONS, ...options });
  }

  start({ recipe, maxTokens, sampling }: Request): { id: number; answer: Promise<Answer> } {
    const id = this.#next++;
    const answer = new Promise<Answer>((resolve) => this.#open.set(id, { ids: [], resolve }));
    const params: GenerateParams = {
      sampling: {
        temperature: sampling?.temperature ?? 0,
        topP: 1,
        topK: 0,
        minP: 0,
        seed: sampling?.seed ?? 0,
      },
      maxTokens,
      minTokens: 0,
      stopIds: [],
      key: "",
      salt: recipe.salt,
    };
    this.engine.submit(id, promptOf(recipe), params);
    return { id, answer };
  }

  #event(id: number, { ids, cachedTokens, finish }: GenerationEvent): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    open.ids.push(...ids);
    if (finish !== null) this.#end(id, { ids: open.ids, cachedTokens, error: null });
  }

  #end(id: number, answer: Answer): void {
    this.#open.get(id)?.resolve(answer);
    this.#open.delete(id);
  }
}

export class Checker {
  readonly counts = {
    requests: 0,
    compared: 0,
    eligible: 0,
    hit: 0,
    kinds: new Map<string, number>(),
    preemptions: 0,
    losses: 0,
  };
  readonly #cold: Runner;
  #warmModel: Model | null = null;

  /** `warm` makes the model under test, also anew after a loss; `cold` gives what answers should be. */
  constructor(readonly warm: () => Promise<Model>, cold: Model, readonly shape: TraceShape) {
    this.#cold = new Runner(cold, { prefixCache: false });
  }

  /** null: all answers as they should be; else what is wrong. */
  async run(seed: number): Promise<string | null> {
    const random = new Random(seed);
    const maker = new TraceMaker(random, this.shape);
    this.#warmModel ??= await this.warm();
    let runner = new Runner(this.#warmModel, { mixedPrefillTokens: 32 });
    const computed = new Set<string>();
    for (let done = 0; done < REQUESTS;) {
      const together = Array.from({ length: 1 + random.below(7) }, () => maker.next());
      done += together.length;
      for (const request of together) this.#expect(request, computed);
      const started = together.map((request) => ({ request, ...runner.start(request) }));
      for (const { request, id } of started) {
        const { engine } = runner; // a later one gives the same ids
        if (request.abortAfter !== null) setTimeout(() => engine.abort(id), request.abortAfter);
      }
      for (const { request, answer } of started) {
        const gave = await Promise.race([
          answer,
          request.abortAfter === null ? never() : later(request.abortAfter + 50),
        ]);
        if (gave === null) continue;
        if (gave.error !== null) return `${request.kind}: ${gave.error.code}`;
        const expected = await this.#cold.start(request).answer;
        this.counts.compared++;
        if (gave.ids.join() !== expected.ids.join()) {
          return `${request.kind} (${request.recipe.ids.length} ids, ${gave.cachedTokens} cached): ${gave.ids} instead of ${expected.ids}`;
        }
        maker.learn(request.recipe, gave.ids);
        this.counts.hit += Math.floor(gave.cachedTokens / this.shape.blockSize);
        this.#remember(
          { ...request.recipe, ids: [...request.recipe.ids, ...gave.ids.slice(0, -1)] },
          computed,
        );
      }
      const lost = await this.#settle(runner);
      if (lost !== null) return lost;
      if (random.chance(2)) {
        runner = await this.#loseDevice();
        computed.clear();
      }
    }
    return null;
  }

  /** Nothing runs any more, and nothing is missing. */
  async #settle({ engine }: Runner): Promise<string | null> {
    for (;;) {
      const stats = engine.stats();
      if (stats.waiting + stats.running + stats.draining > 0) {
        await later(2);
        continue;
      }
      this.counts.preemptions += stats.preemptions - this.#preemptions;
      this.#preemptions = stats.preemptions;
      const { freeSlots, totalSlots, freeBlocks, totalBlocks } = stats;
      return freeSlots === totalSlots && freeBlocks === totalBlocks ? null : `lost: ${JSON.stringify(stats)}`;
    }
  }
  #preemptions = 0;

  async #loseDevice(): Promise<Runner> {
    this.counts.losses++;
    this.#warmModel!.destroy();
    this.#warmModel = await this.warm();
    this.#preemptions = 0;
    return new Runner(this.#warmModel, { mixedPrefillTokens: 32 });
  }

  /** Counts the blocks of a prompt that a cache without bounds would have. */
  #expect({ kind, recipe }: Request, computed: ReadonlySet<string>): void {
    this.counts.requests++;
    this.counts.kinds.set(kind, (this.counts.kinds.get(kind) ?? 0) + 1);
    const most = Math.floor((recipe.ids.length - 1) / this.shape.blockSize);
    for (let blocks = 1; blocks <= most; blocks++) {
      if (!computed.has(beginning(recipe, blocks * this.shape.blockSize))) break;
      this.counts.eligible++;
    }
  }

  #remember(recipe: Recipe, computed: Set<string>): void {
    for (let end = this.shape.blockSize; end <= recipe.ids.length; end += this.shape.blockSize) {
      computed.add(beginning(recipe, end));
    }
  }
}

/** What the first `end` tokens are made of. */
function beginning({ ids, pictures, salt }: Recipe, end: number): string {
  return JSON.stringify([salt, ids.slice(0, end), pictures.filter((picture) => picture.at < end)]);
}

function later(ms: number): Promise<null> {
  return new Promise((resolve) => setTimeout(() => resolve(null), ms));
}

function never(): Promise<null> {
  return new Promise(() => {});
}
