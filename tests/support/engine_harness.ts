/** An engine on the fake model, driven without a Worker, and prompts for it. */

import { Engine, type EngineOptions } from "../../src/engine/engine.ts";
import { DEFAULT_ENGINE_OPTIONS } from "../../src/engine/engine.ts";
import { FakeModel, type FakeOptions } from "../../src/engine/fake/model.ts";
import type {
  EngineError,
  EngineStats,
  GenerateParams,
  GenerationEvent,
  Score,
} from "../../src/engine/generation.ts";
import type { MediaFeature, MediaSpan, Model, Prompt } from "../../src/families/family.ts";

export interface Outcome {
  ids: number[];
  /** Where the request asks for log-probabilities. */
  scores: Score[];
  cachedTokens: number;
  finish: GenerationEvent["finish"];
  stopId: number | null;
  error: EngineError | null;
  events: number;
}

export class Harness {
  readonly engine: Engine;
  readonly outcomes = new Map<number, Outcome>();
  lost: string | null = null;
  #waiting = new Map<number, (outcome: Outcome) => void>();
  #next = 1;

  constructor(model: Model, options: Partial<EngineOptions> = {}) {
    this.engine = new Engine(model, {
      event: (id, event) => {
        const outcome = this.outcomes.get(id)!;
        outcome.ids.push(...event.ids);
        outcome.scores.push(...event.scores ?? []);
        outcome.events++;
        outcome.cachedTokens = event.cachedTokens;
        if (event.finish !== null) this.#end(id, { finish: event.finish, stopId: event.stopId });
      },
      failed: (id, error) => this.#end(id, { error }),
      lost: (reason) => this.lost = reason,
    }, { ...DEFAULT_ENGINE_OPTIONS, ...options });
  }

  start(prompt: Prompt, params: Partial<GenerateParams> = {}): { id: number; done: Promise<Outcome> } {
    const id = this.#next++;
    const empty = {
      ids: [],
      scores: [],
      cachedTokens: 0,
      finish: null,
      stopId: null,
      error: null,
      events: 0,
    };
    this.outcomes.set(id, empty);
    const done = new Promise<Outcome>((resolve) => this.#waiting.set(id, resolve));
    this.engine.submit(id, prompt, { ...PARAMS, ...params });
    return { id, done };
  }

  run(prompt: Prompt, params: Partial<GenerateParams> = {}): Promise<Outcome> {
    return this.start(prompt, params).done;
  }

  /** Waits until nothing runs, then tells the counters. */
  async idle(): Promise<EngineStats> {
    for (;;) {
      const stats = this.engine.stats();
      if (stats.waiting + stats.running + stats.draining === 0) return stats;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #end(id: number, result: Partial<Outcome>): void {
    const outcome = Object.assign(this.outcomes.get(id)!, result);
    this.#waiting.get(id)?.(outcome);
  }
}

export const PARAMS: GenerateParams = {
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 },
  maxTokens: 16,
  minTokens: 0,
  stopIds: [257],
  key: "",
  salt: "",
};

/** A fast fake whose ids depend on every row. */
export function hashModel(options: FakeOptions = {}): FakeModel {
  return new FakeModel({ answers: "hash", stepMs: 0, promptTokenMs: 0, ...options });
}

/** A prompt of the given ids, media laid at their places. */
export function promptOf(
  ids: ArrayLike<number>,
  media: { at: number; tokens: number; digest: string }[] = [],
): Prompt {
  const features: MediaFeature[] = media.map(({ tokens, digest }) => ({
    kind: "image",
    digest,
    tokens,
    data: new Float32Array(1),
    shape: [1],
  }));
  const spans: MediaSpan[] = media.map(({ at, tokens }, index) => ({
    media: index,
    start: at,
    length: tokens,
    offset: 0,
  }));
  return {
    ids: Uint32Array.from(ids),
    positions: null,
    ropeDelta: 0,
    media: features,
    spans,
    mediaTokens: { image: 0, video: 0, audio: 0 },
  };
}

/** `count` ids that `seed` decides. */
export function idsOf(seed: number, count: number): number[] {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = Math.imul(state ^ (state >>> 13), 0x5bd1e995) + 0x9e3779b9 >>> 0;
    return state % 256;
  });
}
