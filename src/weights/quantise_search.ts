/**
 * Better than nearest: for each group of 32 the scale and minimum that leave the least squared error, weighted by how
 * much each column matters. Several ranges narrower and wider than the values' own are tried; for each the best line
 * through (code, value) is solved for exactly, put into half precision and judged with the codes it then gives.
 */
import { HALF_MAX, halfBits, HALVES } from "./half.ts";
import {
  type CodedTensor,
  emptyCoded,
  GROUP,
  loadRest,
  pack,
  packRest,
  QuantiseError,
  type ValueBits,
} from "./quantise.ts";

/** Codes that a group's range spans in each trial; 15 is the range itself. */
const SPANS = [13, 13.6, 14.2, 14.6, 15, 15.4, 15.8, 16.4];
/** Rounds of "codes for this line, then the best line for these codes". */
const REFITS = 3;

/**
 * @param values [rows, k]
 * @param importance [k], not negative: weight of each column's squared error; null: all alike
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function quantiseSearch(
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
