/**
 * Random traces of requests for an engine: conversations that begin, go on, branch, get an early token or a picture
 * changed; other salts; aborts; several at once. All of a trace follows from its seed.
 */

import type { Prompt } from "../../src/families/family.ts";

export type Kind =
  | "new"
  | "extend"
  | "branch"
  | "edit"
  | "other picture"
  | "other shape"
  | "other salt"
  | "repeat";

export interface Picture {
  /** What it shows. */
  seed: number;
  /** Grid in patches. */
  height: number;
  width: number;
  /** First token that it fills. */
  at: number;
}

/** What a prompt is made of: enough to make it twice. */
export interface Recipe {
  ids: number[];
  pictures: Picture[];
  salt: string;
}

export interface Request {
  kind: Kind;
  recipe: Recipe;
  maxTokens: number;
  /** Temperature and seed; null: greedy. */
  sampling: { temperature: number; seed: number } | null;
  /** Milliseconds after which it is aborted; null: never. */
  abortAfter: number | null;
}

/** Small, fast, good enough: mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … below − 1. */
  below(limit: number): number {
    this.#state = this.#state + 0x6d2b79f5 >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ value >>> 15, value | 1);
    value ^= value + Math.imul(value ^ value >>> 7, value | 61);
    return ((value ^ value >>> 14) >>> 0) % limit;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

export interface TraceShape {
  vocabulary: number;
  /** Ids that random prompts must not hold. */
  reserved: ReadonlySet<number>;
  blockSize: number;
  longest: number;
}

/** Makes the next request from what was asked and answered before. */
export class TraceMaker {
  readonly #past: { recipe: Recipe; answer: number[] }[] = [];

  /** `answers`: longest answer. */
  constructor(readonly random: Random, readonly shape: TraceShape, readonly answers: number) {}

  /** An answer that may be gone on from. */
  learn(recipe: Recipe, answer: number[]): void {
    this.#past.push({ recipe, answer });
  }

  next(): Request {
    const { random } = this;
    const kind = this.#past.length === 0 ? "new" : random.of<Kind>([
      "new",
      "extend",
      "extend",
      "branch",
      "edit",
      "other picture",
      "other shape",
      "other salt",
      "repeat",
      "extend",
    ]);
    return {
      kind,
      recipe: this.#recipe(kind),
      maxTokens: 1 + random.below(this.answers),
      sampling: random.chance(30) ? { temperature: 1, seed: random.below(1000) } : null,
      abortAfter: random.chance(12) ? random.below(30) : null,
    };
  }

  #recipe(kind: Kind): Recipe {
    const { random, shape: { longest, blockSize } } = this;
    if (kind === "new") return this.#fresh();
    const { recipe, answer } = random.of(this.#past);
    const { pictures, salt } = recipe;
    switch (kind) {
      case "extend": {
        const ids = [...recipe.ids, ...answer, ...this.#ids(1 + random.below(2 * blockSize))];
        return ids.length <= longest ? { ids, pictures, salt } : this.#fresh();
      }
      case "branch": {
        const kept = 1 + random.below(recipe.ids.length);
        const whole = pictures.filter((picture) => picture.at + tokensOf(picture) <= kept);
        return {
          ids: [...recipe.ids.slice(0, kept), ...this.#ids(1 + random.below(blockSize))],
          pictures: whole,
          salt,
        };
      }
      case "edit": {
        const at = random.below(Math.min(recipe.ids.length, 2 * blockSize));
        const [id] = this.#ids(1);
        return { ids: recipe.ids.map((old, index) => index === at ? id : old), pictures, salt };
      }
      case "other picture":
        return {
          ids: recipe.ids,
          pictures: pictures.map((picture) => ({ ...picture, seed: picture.seed + 1 + random.below(3) })),
          salt,
        };
      case "other shape":
        return {
          ids: recipe.ids,
          pictures: pictures.map((picture) => ({ ...picture, height: picture.width, width: picture.height })),
          salt,
        };
      case "other salt":
        return { ids: recipe.ids, pictures, salt: salt === "" ? "other" : "" };
      case "repeat":
        return recipe;
    }
  }

  #fresh(): Recipe {
    const { random, shape: { blockSize } } = this;
    const ids = this.#ids(2 + random.below(5 * blockSize));
    if (!random.chance(50)) return { ids, pictures: [], salt: "" };
    const [height, width] = random.of([[2, 4], [4, 4], [4, 6], [2, 8]]);
    const picture = { seed: random.below(5), height, width, at: random.below(ids.length) };
    ids.splice(picture.at, 0, ...new Array(tokensOf(picture)).fill(this.#ids(1)[0]), ...this.#ids(1));
    return { ids, pictures: [picture], salt: "" };
  }

  #ids(count: number): number[] {
    const { vocabulary, reserved } = this.shape;
    return Array.from({ length: count }, () => {
      for (;;) {
        const id = this.random.below(vocabulary);
        if (!reserved.has(id)) return id;
      }
    });
  }
}

export function tokensOf({ height, width }: Picture): number {
  return height * width / 4;
}

/** The prompt of a recipe, made anew each time: the engine keeps its arrays. Positions as M-RoPE has them. */
export function promptOf({ ids, pictures }: Recipe): Prompt {
  const length = ids.length, positions = new Float32Array(3 * length);
  let next = 0;
  for (let at = 0; at < length; at++) {
    const picture = pictures.find((one) => at >= one.at && at < one.at + tokensOf(one));
    const inside = picture === undefined ? 0 : at - picture.at,
      columns = picture === undefined ? 1 : picture.width / 2;
    const triple = picture === undefined
      ? [next, next, next]
      : [next, next + Math.floor(inside / columns), next + inside % columns];
    for (let axis = 0; axis < 3; axis++) positions[axis * length + at] = triple[axis];
    if (picture === undefined) next++;
    else if (inside === tokensOf(picture) - 1) next += Math.max(picture.height / 2, columns);
  }
  return {
    ids: Uint32Array.from(ids),
    positions: pictures.length === 0 ? null : positions,
    ropeDelta: pictures.length === 0 ? 0 : next - length + 0.5,
    media: pictures.map((picture) => ({
      kind: "image",
      digest: digestOf(picture),
      tokens: tokensOf(picture),
      data: pixelsOf(picture),
      shape: [1, picture.height, picture.width],
    })),
    spans: pictures.map((picture, media) => ({
      media,
      start: picture.at,
      length: tokensOf(picture),
      offset: 0,
    })),
    mediaTokens: { image: 0, video: 0, audio: 0 },
  };
}

/** Same bytes in another shape are another medium. */
function digestOf({ seed, height, width }: Picture): string {
  return (seed * 1_000_003 + height * 1009 + width).toString(16).padStart(10, "0");
}

const PATCH_VALUES = 3 * 2 * 16 * 16;

function pixelsOf({ seed, height, width }: Picture): Float32Array {
  const random = new Random(seed + 1);
  return Float32Array.from({ length: height * width * PATCH_VALUES }, () => random.below(256) / 127.5 - 1);
}
