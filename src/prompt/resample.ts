/**
 * Resampling to 16 kHz, close to soxr HQ (librosa's default): a sinc cut at 0.9565 of the lower Nyquist under a
 * Kaiser window, β 12.8, 90 zero crossings a side (VALLEY3.md "Sound").
 */

const CUT = 0.9565, BETA = 12.8, CROSSINGS = 90;
/** Up to so many phases are kept as a table; odder ratios compute each tap. */
const MAX_PHASES = 1024;

/**
 * Mono samples at `rate` → ⌈n · target/rate⌉ samples. Where the exact number has a fraction over 0 and under a
 * half the last one is 0 (soxr gives the rounded number, librosa pads to the ceiling).
 */
export function resample(samples: Float32Array, rate: number, target: number): Float32Array {
  if (rate === target) return samples;
  const exact = samples.length * target / rate;
  const out = new Float32Array(Math.ceil(exact));
  const computed = Math.min(out.length, Math.round(exact));
  const divisor = gcd(rate, target);
  const up = target / divisor, down = rate / divisor; // output i stands at input i · down / up
  const cutoff = CUT * Math.min(1, target / rate); // of the input's Nyquist
  const half = CROSSINGS / cutoff; // half width in input samples
  const kernel = kaiserSinc(cutoff, half);
  const reach = Math.ceil(half);
  const taps = 2 * reach + 1;

  // Inputs with zeros on both sides, so that the inner loop needs no bounds.
  const padded = new Float64Array(samples.length + 2 * taps);
  padded.set(samples, taps);
  const phase = (numerator: number): Float64Array => {
    const shift = numerator / up;
    return Float64Array.from({ length: taps }, (_, k) => kernel(k - reach - shift));
  };
  const table = up <= MAX_PHASES ? Array.from({ length: up }, (_, i) => phase(i)) : null;

  for (let i = 0; i < computed; i++) {
    const position = i * down;
    const base = Math.floor(position / up);
    const weights = table !== null ? table[position % up] : phase(position % up);
    const from = base - reach + taps;
    let a = 0, b = 0;
    let k = 0;
    for (; k + 1 < taps; k += 2) {
      a += weights[k] * padded[from + k];
      b += weights[k + 1] * padded[from + k + 1];
    }
    for (; k < taps; k++) a += weights[k] * padded[from + k];
    out[i] = a + b;
  }
  return out;
}

/** Windowed sinc by distance in input samples. */
function kaiserSinc(cutoff: number, half: number): (distance: number) => number {
  const norm = bessel0(BETA);
  return (distance) => {
    const t = distance / half;
    if (t < -1 || t > 1) return 0;
    const x = Math.PI * cutoff * distance;
    const sinc = x === 0 ? 1 : Math.sin(x) / x;
    return cutoff * sinc * bessel0(BETA * Math.sqrt(1 - t * t)) / norm;
  };
}

/** Modified Bessel function of the first kind, order 0, by its series. */
function bessel0(x: number): number {
  let sum = 1, term = 1;
  for (let k = 1; term > sum * 1e-17; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
