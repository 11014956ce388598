/**
 * The same filter as `resampleTaps`, by FFT on overlapping blocks: transform down·m inputs, multiply by the filter's
 * response, keep or add empty high bins, transform back as up·m outputs. The filter ends below the lower Nyquist,
 * so the two ways differ by its stop band only (−120 dB).
 */

import { Fft } from "./fft.ts";

/** The filter, by distance in input samples; 0 beyond `half`. */
export interface Kernel {
  at(distance: number): number;
  half: number;
}

/** Output i stands at input i · down / up. */
export interface Ratio {
  up: number;
  down: number;
}

/** Inputs in a block, about. */
const BLOCK = 24_000;

/** Whether an FFT of multiples of n is fast. */
export function smooth(n: number): boolean {
  for (const factor of [2, 3, 5, 7]) while (n % factor === 0) n /= factor;
  return n === 1;
}

export function resampleBlocks(
  samples: Float32Array,
  out: Float32Array,
  { up, down }: Ratio,
  kernel: Kernel,
): void {
  const reach = Math.ceil(kernel.half);
  const margin = Math.ceil(reach / down); // units of `down` inputs that a block loses on each side
  let units = 1;
  while (units * down < BLOCK || units < 4 * margin) units *= 2;
  const inputs = units * down, outputs = units * up;
  const forward = new Fft(inputs), backward = new Fft(outputs);
  const response = filterResponse(forward, kernel, reach);
  const re = new Float64Array(inputs), im = new Float64Array(inputs);
  const toRe = new Float64Array(outputs), toIm = new Float64Array(outputs);
  const step = units - 2 * margin; // units that a block yields

  const load = (target: Float64Array, block: number): void => {
    const start = (block * step - margin) * down;
    target.fill(0);
    const from = Math.max(0, start);
    if (from < samples.length) {
      target.set(samples.subarray(from, Math.min(samples.length, start + inputs)), from - start);
    }
  };
  const store = (source: Float64Array, block: number): void => {
    const start = block * step * up;
    const count = Math.min(step * up, out.length - start);
    for (let i = 0; i < count; i++) out[start + i] = source[margin * up + i] / inputs;
  };
  const blocks = Math.ceil(out.length / (step * up));
  // Two blocks at a time: the real and the imaginary part.
  for (let block = 0; block < blocks; block += 2) {
    load(re, block), load(im, block + 1);
    forward.transform(re, im);
    toRe.fill(0), toIm.fill(0);
    const half = Math.floor((Math.min(inputs, outputs) - 1) / 2);
    for (let k = -half; k <= half; k++) {
      const from = k < 0 ? inputs + k : k, to = k < 0 ? outputs + k : k;
      toRe[to] = re[from] * response[from], toIm[to] = im[from] * response[from];
    }
    backward.inverse(toRe, toIm);
    store(toRe, block);
    if (block + 1 < blocks) store(toIm, block + 1);
  }
}

/** Real response of the symmetric filter at each bin. */
function filterResponse(fft: Fft, kernel: Kernel, reach: number): Float64Array {
  const re = new Float64Array(fft.length), im = new Float64Array(fft.length);
  for (let k = -reach; k <= reach; k++) re[(k + fft.length) % fft.length] += kernel.at(k);
  fft.transform(re, im);
  return re;
}
