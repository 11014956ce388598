/**
 * int8: as int4 (quantise.ts), with q in 0 … 255; for matrices whose rounding costs most, and for 8-bit sources.
 * Layout: see Checkpoint (src/model/checkpoint.ts).
 */
import { HALF_MAX, halfBits, HALVES } from "./half.ts";
import { type CodedTensor, emptyCoded, GROUP, QuantiseError, type ValueBits } from "./quantise.ts";

/**
 * Each group spans from its smallest to its largest value.
 * @param values [rows, k]; a last group shorter than 32 is padded with codes 0 that nobody reads
 * @throws QuantiseError on values that are not finite or beyond half precision
 */
export function quantiseNearest8(values: ValueBits, rows: number, k: number): CodedTensor {
  const out = emptyCoded(rows, k, 8);
  const groups = Math.ceil(k / GROUP);
  const shift = values instanceof Uint16Array ? 16 : 0;
  const bits = new Int32Array(GROUP);
  const group = new Float32Array(bits.buffer);
  const codes = new Uint8Array(GROUP);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < groups; c++) {
      const start = r * k + c * GROUP, count = Math.min(GROUP, k - c * GROUP);
      if (count < GROUP) loadRest(values, start, count, bits);
      else for (let i = 0; i < GROUP; i++) bits[i] = values[start + i] << shift;
      let low = Infinity, high = -Infinity, finite = true;
      for (const v of group) {
        if (v < low) low = v;
        if (v > high) high = v;
        finite &&= Math.abs(v) <= HALF_MAX;
      }
      if (!finite) throw new QuantiseError(r);
      const minimumBits = halfBits(low), scaleBits = halfBits((high - HALVES[minimumBits]) / 255);
      const minimum = HALVES[minimumBits], scale = HALVES[scaleBits];
      const inverse = scale > 0 ? 1 / scale : 0;
      for (let i = 0; i < count; i++) {
        codes[i] = Math.max(0, Math.min(255, Math.round((group[i] - minimum) * inverse)));
      }
      codes.fill(0, count);
      putGroup(out, codes, scaleBits | (minimumBits << 16), r, c, k);
    }
  }
  return out;
}

/** The last, shorter group of a row; its padding repeats a value, so that it changes neither end. */
function loadRest(values: ValueBits, start: number, rest: number, bits: Int32Array): void {
  const shift = values instanceof Uint16Array ? 16 : 0;
  for (let i = 0; i < GROUP; i++) bits[i] = values[start + (i < rest ? i : 0)] << shift;
}

/** Writes the 32 codes of group `c` of row `r`. @param pair scale in the low, minimum in the high half */
export function putGroup(
  out: CodedTensor,
  codes: Uint8Array,
  pair: number,
  r: number,
  c: number,
  k: number,
): void {
  const width = 2 * Math.ceil(k / 8), groups = Math.ceil(k / GROUP);
  out.scales[((r >> 2) * groups + c) * 4 + (r & 3)] = pair;
  const row = (r >> 2) * width * 4 + (r & 3);
  for (let j = 0; j < 8 && 8 * c + j < width; j++) {
    const b = 4 * j;
    out.words[row + 4 * (8 * c + j)] = codes[b] | codes[b + 1] << 8 | codes[b + 2] << 16 | codes[b + 3] << 24;
  }
}
