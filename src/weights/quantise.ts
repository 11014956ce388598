/**
 * int4: groups of 32 along K, each with scale and minimum in half precision; w ≈ scale · q + minimum, q in 0 … 15.
 * Layout: see Checkpoint (src/model/checkpoint.ts). rounding.ts rounds.
 */
import { HALF_MAX, halfBits } from "./half.ts";

export const GROUP = 32;

/** Bits of a code. */
export type Bits = 4 | 8;

export interface CodedTensor {
  /** [ceil(rows / 4), ceil(k / 8), 4]: word j of a row holds k = 8j … 8j+7; of 8 bits twice as many, of 4 values. */
  words: Uint32Array<ArrayBuffer>;
  /** [ceil(rows / 4), groups, 4]: scale in the low, minimum in the high half. */
  scales: Uint32Array<ArrayBuffer>;
}

/** Values [rows, k] row-major: bfloat16 words, or the bits of float32. */
export type ValueBits = Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** A value that int4's scale and minimum cannot hold. */
export class QuantiseError extends Error {
  /** @param row of the values given */
  constructor(readonly row: number) {
    super(`row ${row} has a value that is not finite or beyond half precision`);
    this.name = "QuantiseError";
  }
}

export const emptyCoded = (rows: number, k: number, bits: Bits = 4): CodedTensor => {
  const quads = Math.ceil(rows / 4);
  return {
    words: new Uint32Array(quads * Math.ceil(k / 8) * bits),
    scales: new Uint32Array(quads * Math.ceil(k / GROUP) * 4),
  };
};

/** float32 values as bits, without a copy. */
export const bitsOf = (values: Float32Array<ArrayBuffer>): Int32Array<ArrayBuffer> =>
  new Int32Array(values.buffer, values.byteOffset, values.length);

/**
 * Codes that somebody else chose.
 * @param codes [rows, k] @param pairs scale and minimum of each group [rows, k / 32, 2], rounded to half precision here
 * @throws QuantiseError where a scale or minimum is beyond half precision
 */
export function int4OfCodes(codes: Uint8Array, pairs: Float32Array, rows: number, k: number): CodedTensor {
  const out = emptyCoded(rows, k);
  const groups = k / GROUP;
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      const at = 2 * (r * groups + g);
      if (!(Math.abs(pairs[at]) <= HALF_MAX && Math.abs(pairs[at + 1]) <= HALF_MAX)) {
        throw new QuantiseError(r);
      }
      out.scales[((r >> 2) * groups + g) * 4 + (r & 3)] = halfBits(pairs[at]) |
        (halfBits(pairs[at + 1]) << 16);
    }
    for (let j = 0; j < k / 8; j++) {
      const b = r * k + 8 * j;
      let word = 0;
      for (let i = 0; i < 4; i++) word |= (codes[b + i] | codes[b + 4 + i] << 4) << (8 * i);
      out.words[((r >> 2) * (k / 8) + j) * 4 + (r & 3)] = word;
    }
  }
  return out;
}
