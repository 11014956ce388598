/**
 * Resampling of 8-bit RGB with antialias, to the bit as torchvision (ATen `upsample_bicubic2d_aa` on uint8) and
 * Pillow (up to 12) do it: the width first, then the height, each pass rounded and clamped to bytes; a pass that
 * changes nothing is skipped. The two differ in the precision of their integer weights only.
 */

import type { Raster } from "../families/family.ts";

export type Filter = "bicubic" | "bilinear";
/** torchvision: weights of at most 15 bits; pillow: 22 fractional bits. */
export type Arithmetic = "torchvision" | "pillow";

/** Integer weights of one pass. Output i reads inputs first[i] … first[i] + taps[i] − 1. */
export interface Weights {
  first: Int32Array;
  taps: Int32Array;
  /** [outputs, stride], row-major. */
  values: Int32Array;
  stride: number;
  /** Fractional bits of `values`. */
  precision: number;
}

/** Keys' cubic kernel with a = −0.5 (support 2). */
function cubic(x: number): number {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}

/** Triangle (support 1). */
const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

export function resampleWeights(
  inputs: number,
  outputs: number,
  filter: Filter,
  arithmetic: Arithmetic,
): Weights {
  const [kernel, radius] = filter === "bicubic" ? [cubic, 2] : [triangle, 1];
  const scale = inputs / outputs;
  const stretch = Math.max(scale, 1);
  const support = radius * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputs), taps = new Int32Array(outputs);
  const real = new Float64Array(outputs * stride);
  let largest = 0;
  for (let i = 0; i < outputs; i++) {
    const centre = (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(inputs, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = from; j < to; j++) sum += real[i * stride + j - from] = kernel((j - centre + 0.5) / stretch);
    for (let j = 0; j < to - from; j++) {
      const weight = sum === 0 ? 0 : real[i * stride + j] / sum;
      real[i * stride + j] = weight;
      largest = Math.max(largest, weight);
    }
    first[i] = from, taps[i] = to - from;
  }
  let precision = 22;
  if (arithmetic === "torchvision") {
    precision = 0;
    while (precision < 22 && Math.floor(0.5 + largest * 2 ** (precision + 1)) < 1 << 15) precision++;
  }
  const one = 2 ** precision;
  const values = new Int32Array(real.length);
  for (let i = 0; i < real.length; i++) values[i] = Math.trunc(real[i] * one + (real[i] < 0 ? -0.5 : 0.5));
  return { first, taps, values, stride, precision };
}

/** Resizes a picture to width × height. The result may be the picture itself where the size is the same. */
export function resize(
  picture: Raster,
  width: number,
  height: number,
  filter: Filter = "bicubic",
  arithmetic: Arithmetic = "torchvision",
): Raster {
  let rgb = picture.rgb;
  if (width !== picture.width) {
    const weights = resampleWeights(picture.width, width, filter, arithmetic);
    rgb = horizontal(rgb, picture.width, picture.height, width, weights);
  }
  if (height !== picture.height) {
    rgb = vertical(rgb, width, height, resampleWeights(picture.height, height, filter, arithmetic));
  }
  return { width, height, rgb };
}

/** [height, inputs, 3] → [height, outputs, 3] */
function horizontal(
  source: Uint8Array,
  inputs: number,
  height: number,
  outputs: number,
  { first, taps, values, stride, precision }: Weights,
): Uint8Array {
  const target = new Uint8Array(height * outputs * 3);
  const clamped = new Uint8ClampedArray(target.buffer);
  const half = 1 << (precision - 1);
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * inputs * 3;
    for (let i = 0; i < outputs; i++, to += 3) {
      let r = half, g = half, b = half;
      let from = row + first[i] * 3;
      const end = i * stride + taps[i];
      for (let k = i * stride; k < end; k++, from += 3) {
        const weight = values[k];
        r += Math.imul(weight, source[from]);
        g += Math.imul(weight, source[from + 1]);
        b += Math.imul(weight, source[from + 2]);
      }
      clamped[to] = r >> precision, clamped[to + 1] = g >> precision, clamped[to + 2] = b >> precision;
    }
  }
  return target;
}

/** [inputs, width, 3] → [outputs, width, 3] */
function vertical(
  source: Uint8Array,
  width: number,
  outputs: number,
  { first, taps, values, stride, precision }: Weights,
): Uint8Array {
  const row = width * 3;
  const target = new Uint8Array(outputs * row);
  const clamped = new Uint8ClampedArray(target.buffer);
  const sums = new Int32Array(row);
  const half = 1 << (precision - 1);
  for (let i = 0; i < outputs; i++) {
    sums.fill(half);
    for (let k = 0; k < taps[i]; k++) {
      const weight = values[i * stride + k];
      const from = (first[i] + k) * row;
      for (let x = 0; x < row; x++) sums[x] += Math.imul(weight, source[from + x]);
    }
    const to = i * row;
    for (let x = 0; x < row; x++) clamped[to + x] = sums[x] >> precision;
  }
  return target;
}
