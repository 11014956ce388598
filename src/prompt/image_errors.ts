/** The errors of picture decoding: stable codes, nothing of a decoder's own words. */

import { PromptError } from "../families/family.ts";

export const MAX_SIDE = 16_384;
export const MAX_PIXELS = 40_000_000;

export const corruptImage = (): PromptError =>
  new PromptError("The picture is damaged or truncated", "corrupt_image");

export const unsupportedImage = (what: string): PromptError =>
  new PromptError(`The picture cannot be read: ${what} is not supported`, "unsupported_image");

/** Refuses a size before anything is decoded. `frames`: all that the file says it has. */
export function checkSize(width: number, height: number, frames = 1): void {
  if (width < 1 || height < 1) throw corruptImage();
  if (width > MAX_SIDE || height > MAX_SIDE || width * height * frames > MAX_PIXELS) {
    const all = frames > 1 ? ` × ${frames} frames` : "";
    throw new PromptError(
      `The picture has ${width}×${height}${all} pixels; the limits are ${MAX_SIDE} a side and ${MAX_PIXELS} in all`,
      "image_too_large",
    );
  }
}
