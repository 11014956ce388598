/**
 * Values → int4 in WebAssembly with SIMD: the arithmetic is in rounding/*.as, which `deno task assemble` turns into
 * rounding.wasm. Here values go into its memory strip by strip, few enough for the core's cache, and codes come out.
 */
import module from "./rounding/rounding.wasm" with { type: "bytes" };
import type { Read } from "./file_piece.ts";
import { type CodedTensor, GROUP, QuantiseError } from "./quantise.ts";

type Nearest = (
  input: number,
  dtype: number,
  rows: number,
  k: number,
  words: number,
  pairs: number,
) => number;

/** Kinds of values, numbered as in rounding/values.as. */
const DTYPES = ["BF16", "F16", "F32"] as const;

/** Values [rows, k] row-major. */
export interface Values {
  dtype: typeof DTYPES[number];
  read: Read;
}

export const isRounded = (dtype: string): dtype is Values["dtype"] =>
  (DTYPES as readonly string[]).includes(dtype);

const wasm = new WebAssembly.Instance(new WebAssembly.Module(module)).exports as unknown as {
  memory: WebAssembly.Memory;
  free(): number;
  nearest: Nearest;
  search(...values: [...Parameters<Nearest>, importance: number]): number;
};

/** Bytes of the values of a strip, where four rows have no more. */
const STRIP = 256 << 10;
const PAGE = 64 << 10;

/**
 * Each group spans from its smallest to its largest value.
 * @param spare is taken for the words where its size fits
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function quantiseNearest(
  values: Values,
  rows: number,
  k: number,
  spare?: ArrayBuffer,
): CodedTensor {
  return inStrips(values, rows, k, wasm.free(), wasm.nearest, spare);
}

/**
 * Better than nearest: for each group the scale and minimum that leave the least squared error, weighted by how much
 * each column matters.
 * @param importance [k], not negative: weight of each column's squared error; null: all alike
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function quantiseSearch(
  values: Values,
  rows: number,
  k: number,
  importance: Float32Array | null = null,
  spare?: ArrayBuffer,
): CodedTensor {
  const at = importance === null ? 0 : wasm.free();
  if (importance !== null) {
    reserve(at + 4 * k);
    new Float32Array(wasm.memory.buffer, at, k).set(importance);
  }
  const begin = importance === null ? wasm.free() : aligned(at + 4 * k);
  return inStrips(values, rows, k, begin, (...strip) => wasm.search(...strip, at), spare);
}

const aligned = (at: number): number => Math.ceil(at / 16) * 16;

function reserve(bytes: number): void {
  const missing = bytes - wasm.memory.buffer.byteLength;
  if (missing > 0) wasm.memory.grow(Math.ceil(missing / PAGE));
}

function inStrips(
  { dtype, read }: Values,
  rows: number,
  k: number,
  /** The first byte of the memory that is free. */
  input: number,
  round: Nearest,
  spare?: ArrayBuffer,
): CodedTensor {
  const rowBytes = k * (dtype === "F32" ? 4 : 2);
  // Of each quad.
  const wordBytes = 16 * Math.ceil(k / 8), pairBytes = 16 * Math.ceil(k / GROUP);
  const quads = Math.ceil(rows / 4), each = Math.max(1, Math.floor(STRIP / (4 * rowBytes)));
  const fits = spare?.byteLength === quads * wordBytes;
  const words = fits ? new Uint8Array(spare) : new Uint8Array(quads * wordBytes);
  const scales = new Uint8Array(quads * pairBytes);
  const wordsAt = aligned(input + 4 * each * rowBytes), pairsAt = wordsAt + each * wordBytes;
  reserve(pairsAt + each * pairBytes);
  const memory = new Uint8Array(wasm.memory.buffer as ArrayBuffer);
  for (let quad = 0; quad < quads; quad += each) {
    const row = 4 * quad, some = Math.min(4 * each, rows - row), made = Math.min(each, quads - quad);
    read(row * rowBytes, memory.subarray(input, input + some * rowBytes));
    const bad = round(input, DTYPES.indexOf(dtype), some, k, wordsAt, pairsAt);
    if (bad >= 0) throw new QuantiseError(row + bad);
    words.set(memory.subarray(wordsAt, wordsAt + made * wordBytes), quad * wordBytes);
    scales.set(memory.subarray(pairsAt, pairsAt + made * pairBytes), quad * pairBytes);
  }
  return { words: new Uint32Array(words.buffer), scales: new Uint32Array(scales.buffer) };
}
