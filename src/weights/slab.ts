/** A slab: some rows of one tensor as the source stores them, and its way to codes. Runs in a Worker or in place. */
import { type Dtype, toFloat32 } from "../gpu/safetensors.ts";
import type { GgufType } from "./gguf.ts";
import { codedBits, type CodedType, floatsOfBlocks, int4OfBlocks, int8OfBlocks } from "./gguf_values.ts";
import { HALVES } from "./half.ts";
import {
  type Bits,
  bitsOf,
  type CodedTensor,
  int4OfCodes,
  quantiseNearest,
  type ValueBits,
} from "./quantise.ts";
import { quantiseNearest8 } from "./quantise8.ts";
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
  bits: Bits;
  rounding: Rounding;
  /** [k]: weight of each column's error, for "search"; null: all alike. */
  importance: Float32Array<ArrayBuffer> | null;
}

/** @throws QuantiseError, its row counted from the slab's first */
export function runSlab(job: SlabJob): CodedTensor {
  const { rows, k, bits, input } = job;
  if (input.kind === "gguf" && codedBits(input.type) === bits) {
    return bits === 8
      ? int8OfBlocks(input.bytes, rows, k)
      : int4OfBlocks(input.type as CodedType, input.bytes, rows, k);
  }
  if (input.kind === "codes") return int4OfCodes(input.bytes, input.pairs, rows, k);
  const values = input.kind === "plain"
    ? plainBits(input.bytes, input.dtype)
    : input.type === "F32" || input.type === "F16" || input.type === "BF16"
    ? plainBits(input.bytes, input.type)
    : bitsOf(floatsOfBlocks(input.type, input.bytes));
  if (bits === 8) return quantiseNearest8(values, rows, k);
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
