/**
 * int4: groups of 32 along K, each with scale and minimum in half precision; w ≈ scale · q + minimum, q in 0 … 15.
 * Layout: see Checkpoint (src/model/checkpoint.ts).
 */
import { fromHalf, toHalf } from "../gpu/safetensors.ts";

export const GROUP = 32;

export interface Int4Tensor {
  /** [rows, groups · 4]: word j of a row holds k = 8j … 8j+7. */
  words: Uint32Array<ArrayBuffer>;
  /** [rows, groups]: scale in the low, minimum in the high half. */
  scales: Uint32Array<ArrayBuffer>;
}

const HALF_MAX = 65504;

/**
 * Round to nearest between a group's smallest and largest value.
 * @param values [rows, k] row-major; a last group shorter than 32 is padded with codes 0 that nobody reads
 * @throws Error on values that are not finite or beyond half precision
 */
export function quantiseNearest(values: Float32Array, rows: number, k: number): Int4Tensor {
  const groups = Math.ceil(k / GROUP);
  const words = new Uint32Array(rows * groups * 4);
  const scales = new Uint32Array(rows * groups);
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      const start = r * k + g * GROUP;
      const end = Math.min(start + GROUP, (r + 1) * k);
      let low = values[start];
      let high = low;
      for (let i = start + 1; i < end; i++) {
        const v = values[i];
        if (v < low) low = v;
        if (v > high) high = v;
      }
      if (!(low >= -HALF_MAX && high <= HALF_MAX)) {
        throw new Error(`Cannot quantise row ${r}: a value is not finite or beyond half precision`);
      }
      const minimum = toHalf(low);
      const least = fromHalf(minimum);
      const scaleBits = toHalf((high - least) / 15);
      const scale = fromHalf(scaleBits);
      const inverse = scale > 0 ? 1 / scale : 0;
      scales[r * groups + g] = scaleBits | (minimum << 16);
      const base = (r * groups + g) * 4;
      for (let i = start; i < end; i++) {
        const q = Math.max(0, Math.min(15, Math.round((values[i] - least) * inverse)));
        const lane = i - start;
        const at = lane & 7;
        words[base + (lane >> 3)] |= q << (at < 4 ? 8 * at : 8 * at - 28);
      }
    }
  }
  return { words, scales };
}
