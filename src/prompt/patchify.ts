/** Frames → rows of patches as a Qwen ViT reads them. */

import type { Raster } from "../families/family.ts";
import type { Grid } from "./positions.ts";

export interface Normalisation {
  /** By channel, of values in 0 … 1. */
  mean: readonly number[];
  std: readonly number[];
  /** fused (default): (v − 255·mean)/(255·std); rescaled: v·(1/255) in double, then (x − mean)/std in float32. */
  normalise?: "fused" | "rescaled";
}

/** Of OpenAI's CLIP, whose figures Qwen2-VL took over; by the slow processor. */
export const CLIP: Normalisation = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  normalise: "rescaled",
};

export interface PatchOptions extends Normalisation {
  patchSize: number;
  temporalPatchSize: number;
  mergeSize: number;
}

export interface Patches {
  /** [t·h·w, 3·temporal·patch²]: a row is (channel, temporal, patch row, patch column). */
  data: Float32Array;
  grid: Grid;
}

/**
 * Rows are ordered by frame group, then merge block (row by row), then patch inside the block. Frames of one size,
 * sides multiples of patch · merge; the last frame is repeated to fill its temporal patch (a still picture: all).
 */
export function patchify(frames: readonly Raster[], options: PatchOptions): Patches {
  const { patchSize: p, temporalPatchSize: depth, mergeSize: merge } = options;
  const { width, height } = frames[0];
  const t = Math.ceil(frames.length / depth), h = height / p, w = width / p;
  if (!Number.isInteger(h / merge) || !Number.isInteger(w / merge)) {
    throw new Error(`Cannot cut ${width}×${height} pixels in patches of ${p * merge}`);
  }
  const levels = [0, 1, 2].map((c) => normalisedLevels(options, c));
  const area = p * p;
  const data = new Float32Array(t * h * w * 3 * depth * area);
  let row = 0; // offset in data
  for (let group = 0; group < t; group++) {
    for (let blockY = 0; blockY < h; blockY += merge) {
      for (let blockX = 0; blockX < w; blockX += merge) {
        for (let inner = 0; inner < merge * merge; inner++, row += 3 * depth * area) {
          const y0 = (blockY + Math.floor(inner / merge)) * p, x0 = (blockX + inner % merge) * p;
          for (let d = 0; d < depth; d++) {
            const { rgb } = frames[Math.min(group * depth + d, frames.length - 1)];
            for (let c = 0; c < 3; c++) {
              const level = levels[c];
              let to = row + (c * depth + d) * area;
              for (let y = 0; y < p; y++) {
                let from = ((y0 + y) * width + x0) * 3 + c;
                for (let x = 0; x < p; x++, from += 3) data[to++] = level[rgb[from]];
              }
            }
          }
        }
      }
    }
  }
  return { data, grid: [t, h, w] };
}

/** The 256 values that a byte of channel c can become, as the fast ("fused") or the slow official processor makes them. */
export function normalisedLevels({ mean, std, normalise }: Normalisation, c: number): Float32Array {
  if (normalise === "rescaled") {
    const shift = Math.fround(mean[c]), scale = Math.fround(std[c]);
    return Float32Array.from(
      { length: 256 },
      (_, v) => Math.fround(Math.fround(v * (1 / 255)) - shift) / scale,
    );
  }
  const shift = Math.fround(mean[c] * 255), scale = Math.fround(std[c] * 255);
  return Float32Array.from({ length: 256 }, (_, v) => Math.fround(v - shift) / scale);
}
