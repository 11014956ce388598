/** A slab: some rows of one tensor as the source stores them, and its way to int4. Runs in a Worker or in place. */
import { type Dtype, toFloat32 } from "../gpu/safetensors.ts";
import type { GgufType } from "./gguf.ts";
import { floatsOfBlocks, int4OfBlocks, isCoded } from "./gguf_values.ts";
import { HALVES } from "./half.ts";
import { bitsOf, int4OfCodes, type Int4Tensor, quantiseNearest, type ValueBits } from "./quantise.ts";
import { quantiseSearch } from "./quantise_search.ts";

export type Rounding = "nearest" | "search";

/** Rows as stored; the buffers are given away. */
export type SlabInput =
  | { kind: "plain"; dtype: Dtype; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "gguf"; type: GgufType; bytes: Uint8Array<ArrayBuffer> }
  /** A code a byte [rows, k], (scale, minimum) of each 32 columns [rows, k / 32, 2]. */
  | { kind: "codes"; bytes: Uint8Array<ArrayBuffer>; pairs: Float32Array<ArrayBuffer> };

export interface SlabJob {
  input: SlabInput;
  rows: number;
  k: number;
  rounding: Rounding;
  /** [k]: weight of each column's error, for "search"; null: all alike. */
  importance: Float32Array<ArrayBuffer> | null;
}

/** @throws QuantiseError, its row counted from the slab's first */
export function runSlab(job: SlabJob): Int4Tensor {
  const { rows, k, input } = job;
  if (input.kind === "gguf" && isCoded(input.type)) return int4OfBlocks(input.type, input.bytes, rows, k);
  if (input.kind === "codes") return int4OfCodes(input.bytes, input.pairs, rows, k);
  const values = input.kind === "plain"
    ? plainBits(input.bytes, input.dtype)
    : input.type === "F32" || input.type === "F16" || input.type === "BF16"
    ? plainBits(input.bytes, input.type)
    : bitsOf(floatsOfBlocks(input.type, input.bytes));
  return job.rounding === "search"
    ? quantiseSearch(values, rows, k, job.importance)
    : quantiseNearest(values, rows, k);
}

function plainBits(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): ValueBits {
  if (dtype === "BF16") return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  if (dtype !== "F16") return bitsOf(toFloat32(bytes, dtype));
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = HALVES[halves[i]];
  return bitsOf(out);
}
