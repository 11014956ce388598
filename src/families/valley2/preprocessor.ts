/** How Valley2 cuts pictures (VALLEY2.md "Preprocessing"). */
import { type MediaLimits, PromptError, type VideoPlan } from "../family.ts";
import { FIRST_LIMITS, NAVIT_FACTOR } from "../../prompt/navit_resize.ts";
import type { Normalisation, PatchOptions } from "../../prompt/patchify.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";

/** CRITICAL: 0.5 for SigLIP, CLIP's figures for the Qwen2-VL tower. */
export const SIGLIP: Normalisation = {
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  normalise: "rescaled",
};

export const QWEN2VL: PatchOptions = {
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  normalise: "rescaled",
};

/** The two official wrappers. */
export type Style = "processor" | "chat";

/** Pixels of the Qwen2-VL tower's picture; SigLIP's tiles have one size. */
export const LIMITS: Record<Style, PixelLimits> = {
  processor: FIRST_LIMITS,
  chat: { minPixels: 4 * 784, maxPixels: 1280 * 784 },
};

/** A request's limits over the style's. Throws PromptError naming the one that does not fit. */
export function pixelLimits(own: PixelLimits, asked: MediaLimits = {}): PixelLimits {
  const maxPixels = whole("max_pixels", asked.maxPixels, FIRST_LIMITS.maxPixels) ?? own.maxPixels;
  const minPixels = whole("min_pixels", asked.minPixels, maxPixels) ?? Math.min(own.minPixels, maxPixels);
  return { minPixels, maxPixels };
}

const FRAMES = 8, MAX_FRAMES = 64;

/** 8 frames spread over the file, or as many as asked; each is a picture. */
export function videoPlan(own: PixelLimits, limits: MediaLimits = {}): VideoPlan {
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
    ...pixelLimits(own, limits),
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
