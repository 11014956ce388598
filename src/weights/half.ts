/** Half precision in the inner loops of quantising: a table one way, bit tricks on typed arrays the other way. */
import { fromHalf } from "../gpu/safetensors.ts";

/** Every half's value by its bits. */
export const HALVES: Float32Array = Float32Array.from({ length: 65536 }, (_, bits) => fromHalf(bits));

/** The largest finite half. */
export const HALF_MAX = 65504;

const number = new Float32Array(1);
const bits = new Uint32Array(number.buffer);

/** Number → half's bits, rounded to nearest even, overflow to infinity; equals safetensors.ts's toHalf, faster. */
export function halfBits(value: number): number {
  number[0] = value;
  const all = bits[0];
  const sign = (all >>> 16) & 0x8000;
  const magnitude = all & 0x7fffffff;
  if (magnitude >= 0x47800000) return magnitude > 0x7f800000 ? sign | 0x7e00 : sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Between ½ and 1 a float's last place is 2⁻²⁴, the half's smallest step: the addition rounds.
    number[0] = 0.5 + Math.abs(number[0]);
    return sign | (bits[0] - 0x3f000000);
  }
  return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
}
