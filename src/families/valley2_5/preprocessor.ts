/** How Valley2.5 cuts pictures (VALLEY2_5.md "Pictures"). CRITICAL: CLIP's mean and deviation, not 0.5. */
import { type MediaLimits, PromptError, type VideoPlan } from "../family.ts";
import { NAVIT_FACTOR } from "../../prompt/navit_resize.ts";
import type { PatchOptions } from "../../prompt/patchify.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";

export const VALLEY25_PATCH: PatchOptions = {
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  normalise: "rescaled",
};

/** Of the single-picture demo, and of the demos with several pictures or a video. */
export const ONE_PICTURE: PixelLimits = { minPixels: 4 * 784, maxPixels: 16384 * 784 };
export const MANY_PICTURES: PixelLimits = { minPixels: 4 * 784, maxPixels: 256 * 784 };

/** A request's limits over the model's. Throws PromptError naming the one that does not fit. */
export function pixelLimits(own: PixelLimits, asked: MediaLimits = {}): PixelLimits {
  const maxPixels = whole("max_pixels", asked.maxPixels, ONE_PICTURE.maxPixels) ?? own.maxPixels;
  const minPixels = whole("min_pixels", asked.minPixels, maxPixels) ?? Math.min(own.minPixels, maxPixels);
  return { minPixels, maxPixels };
}

const FRAMES = 8, MAX_FRAMES = 64;

/** 8 frames spread over the file, or as many as asked; each is a picture, of the size that `MANY_PICTURES` tells. */
export function videoPlan(limits: MediaLimits = {}): VideoPlan {
  if (limits.fps !== undefined) {
    throw new PromptError(
      "fps is not known to this model, which takes a number of frames: give nframes",
      "invalid_media_limit",
      "mm_processor_kwargs",
    );
  }
  return {
    fps: null,
    nframes: whole("nframes", limits.nframes, MAX_FRAMES) ?? FRAMES,
    defaultFps: 1,
    minFrames: 1,
    maxFrames: MAX_FRAMES,
    frameFactor: 1,
    spread: true,
    raw: true,
    sizeFactor: NAVIT_FACTOR,
    ...pixelLimits(MANY_PICTURES, limits),
    totalPixels: null,
  };
}

function whole(name: string, asked: number | undefined, limit: number): number | undefined {
  if (asked === undefined || (Number.isInteger(asked) && asked >= 1 && asked <= limit)) return asked;
  throw new PromptError(
    `${name} must be a whole number from 1 to ${limit}`,
    "invalid_media_limit",
    "mm_processor_kwargs",
  );
}
