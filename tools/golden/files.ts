/** Reading golden folders strictly: what is missing or malformed is an error, never a skipped case. */

import { SafetensorsFile, toFloat32 } from "../../src/gpu/safetensors.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** case.json of a folder. Throws an Error unless it is of this kind and family. */
export function readCase(dir: string, kind: string, family = "valley3"): Json {
  const json = readJson(`${dir}/case.json`);
  if (json?.kind !== kind) throw new Error(`Cannot use ${dir}: its kind is ${json?.kind}, not ${kind}`);
  if (json.family !== family) throw new Error(`Cannot use ${dir}: the family ${json.family} is not known`);
  return json;
}

export function readJson(path: string): Json {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${(error as Error).message}`);
  }
}

/** A list that must not be empty. */
export function listOf(json: Json, key: string, where: string): Json[] {
  const list = json?.[key];
  if (!Array.isArray(list) || list.length === 0) {
    throw new Error(`Cannot use ${where}: ${key} is missing or empty`);
  }
  return list;
}

/** The float32 tensors of expected.safetensors; `finish` names those that no case asked for. */
export class Expected {
  readonly #tensors = new Map<string, { data: Float32Array; shape: number[] }>();
  readonly #unused: Set<string>;

  constructor(dir: string) {
    const file = SafetensorsFile.open(`${dir}/expected.safetensors`);
    try {
      for (const [name, { dtype, shape }] of file.tensors) {
        this.#tensors.set(name, { data: toFloat32(file.read(name), dtype), shape });
      }
    } finally {
      file.close();
    }
    this.#unused = new Set(this.#tensors.keys());
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  get(name: string): { data: Float32Array; shape: number[] } {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`expected.safetensors has no ${name}`);
    this.#unused.delete(name);
    return tensor;
  }

  unused(): string[] {
    return [...this.#unused];
  }
}

export interface Difference {
  /** Squared error over squared norm; Infinity where lengths differ. */
  nmse: number;
  maximum: number;
  /** Share of values that differ at all. */
  share: number;
}

export function difference(got: ArrayLike<number>, want: ArrayLike<number>): Difference {
  if (got.length !== want.length) return { nmse: Infinity, maximum: Infinity, share: 1 };
  let error = 0, square = 0, maximum = 0, differing = 0;
  for (let i = 0; i < want.length; i++) {
    const d = Math.abs(got[i] - want[i]);
    if (!(d <= maximum)) maximum = d; // NaN sticks
    if (d !== 0) differing++;
    error += d * d, square += want[i] * want[i];
  }
  const nmse = error === 0 ? 0 : error / square;
  return { nmse, maximum, share: want.length === 0 ? 0 : differing / want.length };
}

export const figures = ({ nmse, maximum, share }: Difference): string =>
  `nmse ${nmse.toExponential(1)}, max ${maximum.toExponential(1)}, ${(share * 100).toFixed(2)}% differ`;
