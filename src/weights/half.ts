/** Half precision in the inner loops of quantising: a table one way, bit tricks on typed arrays the other way. */

/** Every half's value by its bits. */
export const HALVES: Float32Array = everyHalf();

/** By bit tricks: each Worker makes it. */
function everyHalf(): Float32Array {
  const values = new Float32Array(65536), all = new Uint32Array(values.buffer);
  for (let half = 0; half < 65536; half++) {
    const magnitude = (half & 0x7fff) << 13;
    all[half] = magnitude;
    // Of infinities and NaNs the exponent is all ones; of the others it lacks 127 - 15, subnormals included.
    if (magnitude >= 0x0f800000) all[half] |= 0x7f800000;
    else values[half] *= 2 ** 112;
    all[half] |= (half & 0x8000) << 16;
  }
  return values;
}

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
