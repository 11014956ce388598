/**
 * int4: groups of 32 along K, each with scale and minimum in half precision; w ≈ scale · q + minimum, q in 0 … 15.
 * Layout: see Checkpoint (src/model/checkpoint.ts). Here: rounding to nearest; quantise_search.ts does better, slower.
 */
import { HALF_MAX, halfBits, HALVES } from "./half.ts";

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
 * Each group spans from its smallest to its largest value.
 * @param values [rows, k]; a last group shorter than 32 is padded with codes 0 that nobody reads
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function quantiseNearest(values: ValueBits, rows: number, k: number): CodedTensor {
  const out = emptyCoded(rows, k);
  const groups = Math.ceil(k / GROUP);
  const rest = k % GROUP;
  // Bits first: the loops below run on plain numbers, without a call or a view a value.
  const bits = new Int32Array(GROUP);
  const group = new Float32Array(bits.buffer);
  const ends = new Int32Array(2);
  const [wide, narrow] = values instanceof Uint16Array ? [null, values] : [values, null];
  const width = Math.ceil(k / 8);
  for (let r = 0; r < rows; r++) {
    const row = (r >> 2) * width * 4 + (r & 3);
    for (let c = 0, g = (r >> 2) * groups * 4 + (r & 3); c < groups; c++, g += 4) {
      const start = r * k + c * GROUP;
      if (rest !== 0 && c === groups - 1) loadRest(values, start, rest, bits);
      else if (narrow !== null) { for (let i = 0; i < GROUP; i++) bits[i] = narrow[start + i] << 16; }
      else for (let i = 0; i < GROUP; i++) bits[i] = wide![start + i];
      span(bits, ends);
      const low = asFloat(ends[0]), high = asFloat(ends[1]);
      if (!(low >= -HALF_MAX && high <= HALF_MAX)) throw new QuantiseError(r);
      const minimumBits = halfBits(low);
      const minimum = HALVES[minimumBits];
      const scaleBits = halfBits((high - minimum) / 15);
      const scale = HALVES[scaleBits];
      out.scales[g] = scaleBits | (minimumBits << 16);
      const inverse = scale > 0 ? 1 / scale : 0;
      if (rest !== 0 && c === groups - 1) packRest(group, minimum, inverse, out.words, row + 16 * c, rest);
      else pack(group, minimum, inverse, out.words, row + 16 * c, 4);
    }
  }
  return out;
}

/** The last, shorter group of a row; its padding repeats a value, so that it changes neither end. */
export function loadRest(values: ValueBits, start: number, rest: number, bits: Int32Array): void {
  const shift = values instanceof Uint16Array ? 16 : 0;
  for (let i = 0; i < GROUP; i++) bits[i] = values[start + (i < rest ? i : 0)] << shift;
}

/** Smallest and largest by integers that sort as the floats do; a NaN lands at one of the ends. */
function span(bits: Int32Array, ends: Int32Array): void {
  let low = 0x7fffffff, high = ~0x7fffffff;
  for (let i = 0; i < GROUP; i += 4) {
    const a = bits[i], b = bits[i + 1], c = bits[i + 2], d = bits[i + 3];
    const ka = a ^ ((a >> 31) & 0x7fffffff), kb = b ^ ((b >> 31) & 0x7fffffff);
    const kc = c ^ ((c >> 31) & 0x7fffffff), kd = d ^ ((d >> 31) & 0x7fffffff);
    if (ka < low) low = ka;
    if (ka > high) high = ka;
    if (kb < low) low = kb;
    if (kb > high) high = kb;
    if (kc < low) low = kc;
    if (kc > high) high = kc;
    if (kd < low) low = kd;
    if (kd > high) high = kd;
  }
  ends[0] = low ^ ((low >> 31) & 0x7fffffff);
  ends[1] = high ^ ((high >> 31) & 0x7fffffff);
}

const oneBits = new Int32Array(1);
const one = new Float32Array(oneBits.buffer);
function asFloat(bits: number): number {
  oneBits[0] = bits;
  return one[0];
}

/** 32 values → four words at `base` and every `step` further: q = round((v − minimum) · inverse), held to 0 … 15. */
export function pack(
  v: Float32Array,
  minimum: number,
  inverse: number,
  words: Uint32Array,
  base: number,
  step: number,
): void {
  for (let j = 0; j < 4; j++) {
    const b = 8 * j;
    let q0 = ((v[b] - minimum) * inverse + 0.5) | 0, q1 = ((v[b + 1] - minimum) * inverse + 0.5) | 0;
    let q2 = ((v[b + 2] - minimum) * inverse + 0.5) | 0, q3 = ((v[b + 3] - minimum) * inverse + 0.5) | 0;
    let q4 = ((v[b + 4] - minimum) * inverse + 0.5) | 0, q5 = ((v[b + 5] - minimum) * inverse + 0.5) | 0;
    let q6 = ((v[b + 6] - minimum) * inverse + 0.5) | 0, q7 = ((v[b + 7] - minimum) * inverse + 0.5) | 0;
    if ((q0 | q1 | q2 | q3 | q4 | q5 | q6 | q7) >>> 4) {
      q0 = q0 < 0 ? 0 : q0 > 15 ? 15 : q0;
      q1 = q1 < 0 ? 0 : q1 > 15 ? 15 : q1;
      q2 = q2 < 0 ? 0 : q2 > 15 ? 15 : q2;
      q3 = q3 < 0 ? 0 : q3 > 15 ? 15 : q3;
      q4 = q4 < 0 ? 0 : q4 > 15 ? 15 : q4;
      q5 = q5 < 0 ? 0 : q5 > 15 ? 15 : q5;
      q6 = q6 < 0 ? 0 : q6 > 15 ? 15 : q6;
      q7 = q7 < 0 ? 0 : q7 > 15 ? 15 : q7;
    }
    words[base + step * j] = q0 | q4 << 4 | q1 << 8 | q5 << 12 | q2 << 16 | q6 << 20 | q3 << 24 | q7 << 28;
  }
}

const four = new Uint32Array(4);

/** A group of `rest` < 32 values: codes past them are 0, words that hold none are not written. */
export function packRest(
  v: Float32Array,
  minimum: number,
  inverse: number,
  words: Uint32Array,
  base: number,
  rest: number,
): void {
  pack(v, minimum, inverse, four, 0, 1);
  for (let lane = rest; lane < GROUP; lane++) {
    const at = lane & 7;
    four[lane >> 3] &= ~(15 << (at < 4 ? 8 * at : 8 * at - 28));
  }
  for (let j = 0; 8 * j < rest; j++) words[base + 4 * j] = four[j];
}

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
