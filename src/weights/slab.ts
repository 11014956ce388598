/** A slab: some rows of one tensor as the source stores them, and its way to codes. Runs in a Worker or in place. */
import { type Dtype, toFloat32 } from "../gpu/safetensors.ts";
import { bytesOf, type Stored, withReader } from "./file_piece.ts";
import type { GgufType } from "./gguf.ts";
import { codedBits, type CodedType, floatsOfBlocks, int4OfBlocks, int8OfBlocks } from "./gguf_values.ts";
import { HALVES } from "./half.ts";
import { type Bits, bitsOf, type CodedTensor, int4OfCodes, type ValueBits } from "./quantise.ts";
import { quantiseNearest8 } from "./quantise8.ts";
import { quantiseNearest, quantiseSearch, type Values } from "./rounding.ts";

export type Rounding = "nearest" | "search";

/** Rows as stored; buffers are given away. */
export type SlabInput =
  | { kind: "plain"; dtype: Values["dtype"]; bytes: Stored }
  | { kind: "gguf"; type: GgufType; bytes: Stored }
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
  /** For the result's words, where its size fits. */
  spare?: ArrayBuffer;
}

/** @throws QuantiseError, its row counted from the slab's first */
export function runSlab(job: SlabJob): CodedTensor {
  const { rows, k, bits, input } = job;
  if (input.kind === "codes") return int4OfCodes(input.bytes, input.pairs, rows, k);
  if (input.kind === "gguf") {
    const bytes = bytesOf(input.bytes);
    if (codedBits(input.type) === bits) {
      return bits === 8
        ? int8OfBlocks(bytes, rows, k)
        : int4OfBlocks(input.type as CodedType, bytes, rows, k);
    }
    const floats = floatsOfBlocks(input.type, bytes);
    return rounded(job, "F32", new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
  }
  return rounded(job, input.dtype, input.bytes);
}

function rounded(job: SlabJob, dtype: Values["dtype"], stored: Stored): CodedTensor {
  const { rows, k, bits, rounding, importance, spare } = job;
  if (bits === 8) return quantiseNearest8(plainBits(bytesOf(stored), dtype), rows, k);
  return withReader(stored, (read) => {
    const values = { dtype, read };
    return rounding === "search"
      ? quantiseSearch(values, rows, k, importance, spare)
      : quantiseNearest(values, rows, k, spare);
  });
}

function plainBits(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): ValueBits {
  if (dtype === "BF16") return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  if (dtype !== "F16") return bitsOf(toFloat32(bytes, dtype));
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = HALVES[halves[i]];
  return bitsOf(out);
}
