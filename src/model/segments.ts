/** Attention within segments (a frame, a sound): scratch keys and values, and the row data that says who sees whom. */
import type { Runtime } from "../gpu/runtime.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { createKeyValues, freeKeyValues, type KeyValues, tilesOf } from "./attention.ts";
import { hostTensor } from "./blocks.ts";

export interface Segments {
  place: Tensor;
  tables: Tensor;
  tiles: Tensor;
  /** Places are rows: blocks of one. */
  block: 1;
}

/** Rows [0, rows) in segments of `size` (the last may be shorter); the caller frees place, tables and tiles. */
export function segmentsOf(runtime: Runtime, rows: number, size: number): Segments {
  const place = new Uint32Array(rows * 4);
  for (let r = 0; r < rows; r++) {
    const first = Math.floor(r / size) * size;
    place.set([first, Math.min(rows, first + size) - first, r, 0], 4 * r);
  }
  const tables = hostTensor(runtime, "segment tables", Uint32Array.from({ length: rows }, (_, i) => i));
  const runs = Array.from({ length: Math.ceil(rows / size) }, (_, i) => Math.min(size, rows - i * size));
  const words = tilesOf(runs);
  const tiles = {
    ...hostTensor(runtime, "segment tiles", words),
    rows: words.length / 2,
    cols: 2,
    stride: 2,
  };
  return { place: hostTensor(runtime, "segments", place), tables, tiles, block: 1 };
}

/** Scratch for one encoder, grown to the largest medium seen. Call `get` outside a recorded pass. */
export class ScratchKeyValues {
  #kv: KeyValues | null = null;
  #places = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly label: string,
    private readonly heads: number,
    private readonly dim: number,
  ) {}

  get(rows: number): KeyValues {
    if (!this.#kv || this.#places < rows) {
      if (this.#kv) freeKeyValues(this.runtime, this.#kv);
      this.runtime.forgetGroups();
      this.#places = Math.max(64, 2 ** Math.ceil(Math.log2(rows)));
      this.#kv = createKeyValues(this.runtime, this.label, this.#places, this.heads, this.dim, "f32");
    }
    return this.#kv;
  }
}
