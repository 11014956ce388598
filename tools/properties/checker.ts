/** Runs traces and holds every finished answer against the cold one. */

import { DEFAULT_ENGINE_OPTIONS, Engine } from "../../src/engine/engine.ts";
import type { EngineError, GenerateParams, GenerationEvent, Score } from "../../src/engine/generation.ts";
import { MAX_LOGPROBS, type Model } from "../../src/families/family.ts";
import { ScoreCounts } from "./scores.ts";
import { promptOf, Random, type Recipe, type Request, TraceMaker, type TraceShape } from "./traces.ts";

const REQUESTS = 20;

/** `tight`: long answers in little memory. Hits of the cache are counted where it can hold something: in `roomy`. */
export type Memory = "roomy" | "tight";

interface Answer {
  ids: number[];
  /** One for each id. */
  scores: Score[];
  cachedTokens: number;
  error: EngineError | null;
}

/** An engine whose requests are promises. */
class Runner {
  readonly engine: Engine;
  readonly #open = new Map<number, { ids: number[]; scores: Score[]; resolve: (answer: Answer) => void }>();
  #next = 1;
  #preemptions = 0;

  constructor(model: Model, options: Partial<typeof DEFAULT_ENGINE_OPTIONS>) {
    this.engine = new Engine(model, {
      event: (id, event) => this.#event(id, event),
      failed: (id, error) => this.#end(id, { ids: [], scores: [], cachedTokens: 0, error }),
      lost: () => {},
    }, { ...DEFAULT_ENGINE_OPTIONS, ...options });
  }

  start({ recipe, maxTokens, sampling }: Request): { id: number; answer: Promise<Answer> } {
    const id = this.#next++;
    const answer = new Promise<Answer>((resolve) => this.#open.set(id, { ids: [], scores: [], resolve }));
    const params: GenerateParams = {
      sampling: {
        temperature: sampling?.temperature ?? 0,
        topP: 1,
        topK: 0,
        minP: 0,
        seed: sampling?.seed ?? 0,
        logprobs: MAX_LOGPROBS,
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

  /** Since last asked. */
  preemptions(): number {
    const { preemptions } = this.engine.stats(), since = preemptions - this.#preemptions;
    this.#preemptions = preemptions;
    return since;
  }

  #event(id: number, { ids, scores = [], cachedTokens, finish }: GenerationEvent): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    open.ids.push(...ids);
    open.scores.push(...scores);
    if (finish !== null) this.#end(id, { ids: open.ids, scores: open.scores, cachedTokens, error: null });
  }

  #end(id: number, answer: Answer): void {
    this.#open.get(id)?.resolve(answer);
    this.#open.delete(id);
  }
}

export class Counts {
  requests = 0;
  compared = 0;
  eligible = 0;
  hit = 0;
  kinds = new Map<string, number>();
  preemptions = 0;
  losses = 0;
  restarts = 0;
  scores = new ScoreCounts();
}

export class Checker {
  readonly #cold: Runner;
  readonly #models = new Map<Memory, Model>();

  /**
   * `warm` makes the model under test, also anew after a loss; `cold` gives what answers should be: the same ids, and
   * log-probabilities with the same bits or near.
   */
  constructor(
    readonly warm: (memory: Memory) => Promise<Model>,
    cold: Model,
    readonly closeness: "same bits" | "near",
    readonly shape: TraceShape,
    readonly counts: Counts,
  ) {
    this.#cold = new Runner(cold, { prefixCache: false });
  }

  /** null: all answers as they should be; else what is wrong. */
  async run(seed: number): Promise<string | null> {
    const random = new Random(seed);
    const memory: Memory = seed % 4 === 0 ? "tight" : "roomy";
    const maker = new TraceMaker(random, this.shape, memory === "tight" ? 80 : 12);
    let runner = await this.#runner(memory);
    const computed = new Set<string>();
    for (let done = 0; done < REQUESTS;) {
      const together = Array.from({ length: 1 + random.below(7) }, () => maker.next());
      done += together.length;
      for (const request of together) this.#expect(request, memory, computed);
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
        const wrong = this.counts.scores.add(gave.scores, expected.scores, this.closeness);
        if (wrong !== null) return `${request.kind} (${gave.cachedTokens} cached): ${wrong}`;
        maker.learn(request.recipe, gave.ids);
        if (memory === "roomy") this.counts.hit += Math.floor(gave.cachedTokens / this.shape.blockSize);
        this.#remember(
          { ...request.recipe, ids: [...request.recipe.ids, ...gave.ids.slice(0, -1)] },
          computed,
        );
      }
      const lost = await this.#settle(runner);
      this.counts.preemptions += runner.preemptions();
      if (lost !== null) return lost;
      if (random.chance(4)) runner = await this.#restart(runner, memory);
      if (random.chance(2)) {
        runner = await this.#loseDevice(memory);
        computed.clear();
      }
    }
    return null;
  }

  /** Nothing runs any more, and nothing is missing. */
  async #settle({ engine }: Runner): Promise<string | null> {
    for (;;) {
      const stats = engine.stats();
      if (stats.waiting + stats.running + stats.draining === 0) {
        const { freeSlots, totalSlots, freeBlocks, totalBlocks } = stats;
        return freeSlots === totalSlots && freeBlocks === totalBlocks
          ? null
          : `lost: ${JSON.stringify(stats)}`;
      }
      await later(2);
    }
  }

  /** An engine with an empty cache on the model of that size. */
  async #runner(memory: Memory): Promise<Runner> {
    const model = this.#models.get(memory) ?? await this.warm(memory);
    this.#models.set(memory, model);
    return new Runner(model, { mixedPrefillTokens: 32 });
  }

  /** Caches go to disk and come back in a new engine. */
  async #restart({ engine }: Runner, memory: Memory): Promise<Runner> {
    this.counts.restarts++;
    const folder = await Deno.makeTempDir();
    try {
      await engine.saveCache(`${folder}/cache`, "trace");
      const next = await this.#runner(memory);
      next.engine.restoreCache(`${folder}/cache`, "trace");
      return next;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  async #loseDevice(memory: Memory): Promise<Runner> {
    this.counts.losses++;
    this.#models.get(memory)!.destroy();
    this.#models.delete(memory);
    return await this.#runner(memory);
  }

  /** Counts the blocks of a prompt that a cache without bounds would have. */
  #expect({ kind, recipe }: Request, memory: Memory, computed: ReadonlySet<string>): void {
    this.counts.requests++;
    this.counts.kinds.set(kind, (this.counts.kinds.get(kind) ?? 0) + 1);
    if (memory === "tight") return;
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
