/**
 * Pictures of Valley2.5 and of Valley2's Qwen2-VL tower (VALLEY2_5.md "Pictures"): two resizes one after the other,
 * both Pillow's bicubic on bytes, sides multiples of 28. CRITICAL: one resize to the end size gives other bytes.
 */

import { PromptError, type Raster } from "../families/family.ts";
import { resize } from "./resize.ts";
import { type PixelLimits, roundHalfEven } from "./smart_resize.ts";

export const NAVIT_FACTOR = 28;

/** Limits of the first resize (qwen_vl_utils), whatever the caller asks. */
export const FIRST_LIMITS: PixelLimits = { minPixels: 4 * 784, maxPixels: 16384 * 784 };

const MAX_ASPECT = 200;

/** Sizes after both resizes. Throws PromptError `image_aspect_ratio` for what the official code cannot take. */
export function navitSizes(height: number, width: number, limits: PixelLimits): {
  first: [height: number, width: number];
  last: [height: number, width: number];
} {
  const first = fitted(height, width, FIRST_LIMITS, NAVIT_FACTOR);
  const last = fitted(first[0], first[1], limits, 0);
  if (last[0] === 0 || last[1] === 0) throw tooNarrow(height, width);
  return { first, last };
}

/** The picture after both resizes. */
export function navitFit(picture: Raster, limits: PixelLimits): Raster {
  const { first, last } = navitSizes(picture.height, picture.width, limits);
  const once = resize(picture, first[1], first[0], "bicubic", "pillow");
  return resize(once, last[1], last[0], "bicubic", "pillow");
}

/** `smart_resize`: `floor` is the least side before the limits are looked at (28 in qwen_vl_utils, 0 in transformers). */
function fitted(
  height: number,
  width: number,
  { minPixels, maxPixels }: PixelLimits,
  floor: number,
): [height: number, width: number] {
  if (Math.max(height, width) / Math.min(height, width) > MAX_ASPECT) throw tooNarrow(height, width);
  const f = NAVIT_FACTOR;
  const h = Math.max(floor, roundHalfEven(height / f) * f);
  const w = Math.max(floor, roundHalfEven(width / f) * f);
  if (h * w > maxPixels) {
    const beta = Math.sqrt(height * width / maxPixels);
    return [Math.floor(height / beta / f) * f, Math.floor(width / beta / f) * f];
  }
  if (h * w < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    return [Math.ceil(height * beta / f) * f, Math.ceil(width * beta / f) * f];
  }
  return [h, w];
}

const tooNarrow = (height: number, width: number): PromptError =>
  new PromptError(
    `A picture of ${width}×${height} pixels is too narrow: at this size it cannot be resized`,
    "image_aspect_ratio",
  );
