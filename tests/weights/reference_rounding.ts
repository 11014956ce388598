/** What rounding/*.as computes, in plain JavaScript: the tests hold the WebAssembly to it bit by bit. */
import { HALF_MAX, halfBits, HALVES } from "../../src/weights/half.ts";
import {
  type CodedTensor,
  emptyCoded,
  GROUP,
  QuantiseError,
  type ValueBits,
} from "../../src/weights/quantise.ts";

/**
 * Each group spans from its smallest to its largest value.
 * @param values [rows, k]; a last group shorter than 32 is padded with codes 0 that nobody reads
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function nearestReference(values: ValueBits, rows: number, k: number): CodedTensor {
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
function loadRest(values: ValueBits, start: number, rest: number, bits: Int32Array): void {
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
function pack(
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
function packRest(
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

/** Codes that a group's range spans in each trial; 15 is the range itself. */
const SPANS = [13, 13.6, 14.2, 14.6, 15, 15.4, 15.8, 16.4];
/** Rounds of "codes for this line, then the best line for these codes". */
const REFITS = 3;

/**
 * @param values [rows, k]
 * @param importance [k], not negative: weight of each column's squared error; null: all alike
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function searchReference(
  values: ValueBits,
  rows: number,
  k: number,
  importance: Float32Array | null = null,
): CodedTensor {
  const out = emptyCoded(rows, k);
  const groups = Math.ceil(k / GROUP);
  const rest = k % GROUP;
  const shift = values instanceof Uint16Array ? 16 : 0;
  const bits = new Int32Array(GROUP);
  const group = new Float32Array(bits.buffer);
  const weights = new Float32Array(GROUP).fill(1);
  const search = new GroupSearch(group, weights);
  const width = Math.ceil(k / 8);
  for (let r = 0; r < rows; r++) {
    const row = (r >> 2) * width * 4 + (r & 3);
    for (let c = 0, g = (r >> 2) * groups * 4 + (r & 3); c < groups; c++, g += 4) {
      const start = r * k + c * GROUP;
      const short = rest !== 0 && c === groups - 1;
      if (short) loadRest(values, start, rest, bits);
      else for (let i = 0; i < GROUP; i++) bits[i] = values[start + i] << shift;
      if (importance !== null || rest !== 0) {
        for (let i = 0; i < GROUP; i++) {
          weights[i] = short && i >= rest ? 0 : importance === null ? 1 : importance[c * GROUP + i];
        }
      }
      if (!search.run()) throw new QuantiseError(r);
      out.scales[g] = search.scaleBits | (search.minimumBits << 16);
      const scale = HALVES[search.scaleBits];
      const minimum = HALVES[search.minimumBits], inverse = scale > 0 ? 1 / scale : 0;
      if (short) packRest(group, minimum, inverse, out.words, row + 16 * c, rest);
      else pack(group, minimum, inverse, out.words, row + 16 * c, 4);
    }
  }
  return out;
}

/**
 * The search within one group; `values` and `weights` are filled by the caller before each `run`.
 * With u = value − smallest, the error of u ≈ s·q + m over all codes q is
 * Σw·u² + s²·Σw·q² + m²·Σw + 2sm·Σw·q − 2s·Σw·q·u − 2m·Σw·u: three sums a trial, in double precision.
 */
class GroupSearch {
  scaleBits = 0;
  minimumBits = 0;
  #best = Infinity;
  #low = 0;
  readonly #u = new Float64Array(GROUP);
  readonly #wu = new Float64Array(GROUP);
  readonly #w = new Float64Array(GROUP);

  constructor(private readonly values: Float32Array, private readonly weights: Float32Array) {}

  /** False: a value is not finite or beyond half precision. */
  run(): boolean {
    const { values, weights } = this;
    const u = this.#u, wu = this.#wu, w = this.#w;
    let low = Infinity, high = -Infinity, bad = false;
    for (let i = 0; i < GROUP; i++) {
      const v = values[i];
      if (v < low) low = v;
      if (v > high) high = v;
      bad ||= !(v >= -HALF_MAX && v <= HALF_MAX);
    }
    if (bad) return false;
    let sumW = 0, sumU = 0, sumUU = 0;
    for (let i = 0; i < GROUP; i++) {
      w[i] = weights[i];
      u[i] = values[i] - low;
      wu[i] = w[i] * u[i];
      sumW += w[i];
      sumU += wu[i];
      sumUU += wu[i] * u[i];
    }
    this.#low = low;
    this.#best = Infinity;
    const range = high - low;
    const minimum = HALVES[halfBits(low)] - low;
    this.#trial((range - minimum) / 15, minimum, sumW, sumU, sumUU);
    if (range === 0 || !(sumW > 0)) return true;
    for (const span of SPANS) {
      // The range is centred: what it lacks or has too much is shared by both ends.
      const scale = range / span;
      this.#trial(scale, (range - 15 * scale) / 2, sumW, sumU, sumUU);
    }
    return true;
  }

  /** From this line on to better ones, as long as the error falls. */
  #trial(scale: number, minimum: number, sumW: number, sumU: number, sumUU: number): void {
    const u = this.#u, wu = this.#wu, w = this.#w;
    let last = Infinity;
    for (let round = 0; round <= REFITS; round++) {
      const scaleBits = halfBits(scale), minimumBits = halfBits(this.#low + minimum);
      const s = HALVES[scaleBits], m = HALVES[minimumBits] - this.#low;
      if (!(s <= HALF_MAX && Math.abs(HALVES[minimumBits]) <= HALF_MAX)) return;
      const inverse = s > 0 ? 1 / s : 0;
      const offset = 0.5 - m * inverse;
      let sumQ = 0, sumQQ = 0, sumQU = 0;
      for (let i = 0; i < GROUP; i++) {
        let q = (u[i] * inverse + offset) | 0;
        q = q < 0 ? 0 : q > 15 ? 15 : q;
        const wq = w[i] * q;
        sumQ += wq;
        sumQQ += wq * q;
        sumQU += wu[i] * q;
      }
      const error = sumUU + s * s * sumQQ + m * m * sumW + 2 * (s * m * sumQ - s * sumQU - m * sumU);
      if (error < this.#best) {
        this.#best = error;
        this.scaleBits = scaleBits;
        this.minimumBits = minimumBits;
      }
      if (!(error < last * 0.999)) return;
      last = error;
      const determinant = sumW * sumQQ - sumQ * sumQ;
      if (!(determinant > 0)) return;
      scale = (sumW * sumQU - sumQ * sumU) / determinant;
      minimum = (sumU - scale * sumQ) / sumW;
      if (!(scale > 0)) return;
    }
  }
}
