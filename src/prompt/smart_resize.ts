/** The size that a picture gets before it is cut in patches: transformers' `smart_resize` (qwen2_vl). */

import { PromptError } from "../families/family.ts";

export interface PixelLimits {
  minPixels: number;
  maxPixels: number;
}

/** Python's round(): halves to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const MAX_ASPECT = 200;

/**
 * Sides become multiples of `factor`, the area lies within the limits, the aspect stays about the same.
 * Throws PromptError `image_aspect_ratio` over 200:1 (exactly 200 passes).
 */
export function smartResize(
  height: number,
  width: number,
  factor: number,
  { minPixels, maxPixels }: PixelLimits,
): [height: number, width: number] {
  if (Math.max(height, width) / Math.min(height, width) > MAX_ASPECT) {
    throw new PromptError(
      `A picture of ${width}×${height} pixels is too narrow: the aspect ratio must not be over ${MAX_ASPECT}`,
      "image_aspect_ratio",
    );
  }
  let h = roundHalfEven(height / factor) * factor;
  let w = roundHalfEven(width / factor) * factor;
  if (h * w > maxPixels) {
    const beta = Math.sqrt(height * width / maxPixels);
    h = Math.max(factor, Math.floor(height / beta / factor) * factor);
    w = Math.max(factor, Math.floor(width / beta / factor) * factor);
  } else if (h * w < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    h = Math.ceil(height * beta / factor) * factor;
    w = Math.ceil(width * beta / factor) * factor;
  }
  return [h, w];
}
