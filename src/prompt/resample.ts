/**
 * Resampling to 16 kHz, close to soxr HQ (librosa's default): a sinc cut at 0.9565 of the lower Nyquist under a
 * Kaiser window, β 12.8, 90 zero crossings a side (VALLEY3.md "Sound").
 */

import { type Kernel, type Ratio, resampleBlocks, smooth } from "./resample_blocks.ts";

const CUT = 0.9565, BETA = 12.8, CROSSINGS = 90;
/** Table entries for the distance of one input sample; between them linear (5e-7 of a tap at most). */
const FINENESS = 1024;

/**
 * Mono samples at `rate` → ⌈n · target/rate⌉ samples. Where the exact number has a fraction over 0 and under a
 * half the last one is 0 (soxr gives the rounded number, librosa pads to the ceiling).
 */
export function resample(samples: Float32Array, rate: number, target: number): Float32Array {
  if (rate === target) return samples;
  const exact = samples.length * target / rate;
  const out = new Float32Array(Math.ceil(exact));
  const computed = out.subarray(0, Math.min(out.length, Math.round(exact)));
  const divisor = gcd(rate, target);
  const ratio = { up: target / divisor, down: rate / divisor };
  const kernel = resampleKernel(rate, target);
  if (smooth(ratio.up) && smooth(ratio.down)) resampleBlocks(samples, computed, ratio, kernel);
  else resampleTaps(samples, computed, ratio, kernel);
  return out;
}

export const resampleKernel = (rate: number, target: number): Kernel =>
  kaiserSinc(CUT * Math.min(1, target / rate));

/** Each output as the sum over its taps, for rates whose ratio is odd. */
export function resampleTaps(
  samples: Float32Array,
  out: Float32Array,
  { up, down }: Ratio,
  kernel: Kernel,
): void {
  const reach = Math.ceil(kernel.half);
  const taps = 2 * reach + 1;
  // Inputs with zeros on both sides, so that the inner loop needs no bounds.
  const padded = new Float64Array(samples.length + 2 * taps);
  padded.set(samples, taps);
  // kernel.at(d) for d = −reach − 1 … reach + 1
  const table = Float64Array.from(
    { length: (2 * reach + 2) * FINENESS + 2 },
    (_, i) => kernel.at(i / FINENESS - reach - 1),
  );
  for (let i = 0; i < out.length; i++) {
    const position = i * down;
    const from = Math.floor(position / up) - reach + taps;
    const place = (1 - (position % up) / up) * FINENESS; // of the first tap: distance −reach − fraction
    const rest = place - Math.floor(place);
    let sum = 0;
    for (let k = 0, at = Math.floor(place); k < taps; k++, at += FINENESS) {
      sum += padded[from + k] * (table[at] + rest * (table[at + 1] - table[at]));
    }
    out[i] = sum;
  }
}

/** Windowed sinc; `cutoff` as a share of the input's Nyquist. */
function kaiserSinc(cutoff: number): Kernel {
  const half = CROSSINGS / cutoff;
  const norm = bessel0(BETA);
  return {
    half,
    at: (distance) => {
      const t = distance / half;
      if (t < -1 || t > 1) return 0;
      const x = Math.PI * cutoff * distance;
      const sinc = x === 0 ? 1 : Math.sin(x) / x;
      return cutoff * sinc * bessel0(BETA * Math.sqrt(1 - t * t)) / norm;
    },
  };
}

/** Modified Bessel function of the first kind, order 0, by its series. */
function bessel0(x: number): number {
  let sum = 1, term = 1;
  for (let k = 1; term > sum * 1e-17; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
