/** What Valley2 and Valley2.5 share: Qwen2-VL's tower, and the pictures and frames that go through it. */
import { type MediaLimits, PromptError, type Raster, type VideoPlan } from "./family.ts";
import type { ConfigReader } from "./config_reader.ts";
import { SPREAD, wholeLimit } from "./media_limits.ts";
import type { Qwen2VisionConfig } from "../model/vision_qwen2vl.ts";
import { FIRST_LIMITS, NAVIT_FACTOR, navitSizes } from "../prompt/navit_resize.ts";
import { CLIP, type PatchOptions } from "../prompt/patchify.ts";
import type { PixelLimits } from "../prompt/smart_resize.ts";

/** CRITICAL: CLIP's mean and deviation, not 0.5. */
export const QWEN2VL_PATCH: PatchOptions = { patchSize: 14, temporalPatchSize: 2, mergeSize: 2, ...CLIP };

/**
 * The tower, Qwen2-VL-7B's where the config is silent: official ones always are, the code fixes it.
 * @param outHidden width of the text trunk
 * @throws Error naming the key that is malformed, or not as `QWEN2VL_PATCH` has it
 */
export function readQwen2Vl(v: ConfigReader, outHidden: number): Qwen2VisionConfig {
  v.only("hidden_act", ["quick_gelu"]);
  v.only("hidden_size", [outHidden]);
  const { patchSize, temporalPatchSize, mergeSize } = QWEN2VL_PATCH;
  v.only("patch_size", [patchSize]);
  v.only("temporal_patch_size", [temporalPatchSize]);
  v.only("spatial_merge_size", [mergeSize]);
  v.only("in_channels", [3]);
  const hidden = v.number("embed_dim", 1280);
  return {
    depth: v.number("depth", 32),
    hidden,
    heads: v.number("num_heads", 16),
    intermediate: hidden * v.number("mlp_ratio", 4),
    patch: patchSize,
    temporalPatch: temporalPatchSize,
    channels: 3,
    merge: mergeSize,
    mergerHidden: hidden * mergeSize ** 2,
    outHidden,
  };
}

/** Tokens of a picture. Throws PromptError on one that cannot be resized. */
export function qwen2vlTokens({ width, height }: Raster, limits: PixelLimits): number {
  const [h, w] = navitSizes(height, width, limits).last;
  return h * w / NAVIT_FACTOR ** 2;
}

/** A request's limits over the model's. Throws PromptError naming the one that does not fit. */
export function pixelLimits(own: PixelLimits, asked: MediaLimits = {}): PixelLimits {
  const maxPixels = wholeLimit("max_pixels", asked.maxPixels, FIRST_LIMITS.maxPixels) ?? own.maxPixels;
  const minPixels = wholeLimit("min_pixels", asked.minPixels, maxPixels) ??
    Math.min(own.minPixels, maxPixels);
  return { minPixels, maxPixels };
}

const FRAMES = 8, MAX_FRAMES = 64;

/** 8 frames spread over the file, or as many as asked; each is a picture. `own`: pixels of each. */
export function framesPlan(own: PixelLimits, limits: MediaLimits = {}): VideoPlan {
  if (limits.fps !== undefined) {
    throw new PromptError(
      "fps is not known to this model, which takes a number of frames: give nframes",
      "invalid_media_limit",
      "mm_processor_kwargs",
    );
  }
  return {
    ...SPREAD,
    fps: null,
    nframes: wholeLimit("nframes", limits.nframes, MAX_FRAMES) ?? FRAMES,
    maxFrames: MAX_FRAMES,
    sizeFactor: NAVIT_FACTOR,
    ...pixelLimits(own, limits),
  };
}
