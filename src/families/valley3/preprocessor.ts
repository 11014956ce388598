/** Limits of Valley3's preprocessing: the checkpoint's, lowered by the server and by a request. */

import { type MediaLimits, PromptError, type VideoPlan } from "../family.ts";
import type { PatchOptions } from "../../prompt/patchify.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import { wholeLimit } from "../media_limits.ts";
import type { Valley3Config } from "./config.ts";

type Json = Record<string, unknown>;

/** What the server allows at most, whatever the checkpoint says. */
export interface ServerLimits {
  maxPixels?: number;
  maxFrames?: number;
}

export interface Valley3Preprocessor {
  image: PixelLimits;
  video: VideoPlan;
  patch: PatchOptions;
  /** Time of one second in positions, as the *processor* orders a video and its sound (CRITICAL: not the config's). */
  interleaveRate: number;
}

/** Frames a second that positions assume where a request names none, whatever was sampled (the official processor). */
export const DEFAULT_POSITION_FPS = 1;

// Qwen3-VL's picture limits, and qwen_vl_utils' rule for frames with patches of 16.
const IMAGE_MIN = 65_536, IMAGE_MAX = 16_777_216;
const VIDEO_MIN = 128 * 32 ** 2, VIDEO_MAX = 768 * 32 ** 2, VIDEO_TOTAL = 230_400 * 32 ** 2;

/** Throws an Error where the checkpoint's files contradict its config. */
export function readPreprocessor(
  files: CheckpointFiles,
  config: Valley3Config,
  server: ServerLimits = {},
): Valley3Preprocessor {
  const { preprocessor, videoPreprocessor } = files;
  const { patch: patchSize, temporalPatch: temporalPatchSize, merge: mergeSize } = config.vision;
  for (
    const [key, value] of [["patch_size", patchSize], ["temporal_patch_size", temporalPatchSize], [
      "merge_size",
      mergeSize,
    ]]
  ) {
    const given = preprocessor[key];
    if (given !== undefined && given !== value) {
      throw new Error(`Cannot use preprocessor_config.json: ${key} is ${given}, in config.json ${value}`);
    }
  }
  const patch = {
    patchSize,
    temporalPatchSize,
    mergeSize,
    mean: triple(preprocessor.image_mean, 0.5),
    std: triple(preprocessor.image_std, 0.5),
  };
  const image = capped(
    pixelLimits(preprocessor) ?? { minPixels: IMAGE_MIN, maxPixels: IMAGE_MAX },
    server.maxPixels,
  );
  const frame = frameLimits(videoPreprocessor, image);
  const rate = preprocessor.position_id_per_seconds;
  return {
    image,
    patch,
    interleaveRate: typeof rate === "number" ? rate : 13,
    video: {
      fps: null,
      nframes: null,
      defaultFps: 2,
      minFrames: 4,
      maxFrames: Math.min(768, server.maxFrames ?? 768),
      frameFactor: temporalPatchSize,
      sizeFactor: patchSize * mergeSize,
      ...capped(frame ?? { minPixels: VIDEO_MIN, maxPixels: VIDEO_MAX }, server.maxPixels),
      totalPixels: frame === null ? VIDEO_TOTAL : null,
    },
  };
}

/** Picture limits under a request's. Throws PromptError naming the limit that it exceeds. */
export function imageLimits({ image }: Valley3Preprocessor, limits: MediaLimits = {}): PixelLimits {
  const maxPixels = lowered("max_pixels", limits.maxPixels, image.maxPixels);
  return {
    maxPixels,
    minPixels: Math.min(maxPixels, lowered("min_pixels", limits.minPixels, image.minPixels)),
  };
}

/** Video rule under a request's limits. Throws PromptError naming the limit that it exceeds. */
export function videoPlan({ video }: Valley3Preprocessor, limits: MediaLimits = {}): VideoPlan {
  if (limits.fps !== undefined && limits.nframes !== undefined) {
    throw new PromptError(
      "Of fps and nframes only one can be given",
      "invalid_media_limit",
      "mm_processor_kwargs",
    );
  }
  const fps = limits.fps ?? null;
  if (fps !== null && !(fps > 0 && fps <= MAX_FPS)) {
    throw new PromptError(
      `fps must be over 0 and at most ${MAX_FPS}`,
      "invalid_media_limit",
      "mm_processor_kwargs",
    );
  }
  const maxPixels = lowered("max_pixels", limits.maxPixels, video.maxPixels);
  const maxFrames = lowered("max_frames", limits.maxFrames, video.maxFrames);
  return {
    ...video,
    fps,
    nframes: wholeLimit("nframes", limits.nframes, video.maxFrames) ?? null,
    maxFrames,
    minFrames: Math.min(
      maxFrames,
      wholeLimit("min_frames", limits.minFrames, maxFrames) ?? video.minFrames,
    ),
    maxPixels,
    minPixels: Math.min(maxPixels, lowered("min_pixels", limits.minPixels, video.minPixels)),
  };
}

const MAX_FPS = 120;

const lowered = (name: string, asked: number | undefined, limit: number): number =>
  wholeLimit(name, asked, limit) ?? limit;

/** `min_pixels`/`max_pixels`, else `size.{shortest_edge, longest_edge}` or `size.{min_pixels, max_pixels}`. */
function pixelLimits(json: Json): PixelLimits | null {
  const size = (typeof json.size === "object" && json.size !== null ? json.size : {}) as Json;
  const minPixels = json.min_pixels ?? size.min_pixels ?? size.shortest_edge;
  const maxPixels = json.max_pixels ?? size.max_pixels ?? size.longest_edge;
  if (typeof minPixels !== "number" || typeof maxPixels !== "number") return null;
  if (!(minPixels >= 1 && maxPixels >= minPixels)) {
    throw new Error(`Cannot use preprocessor_config.json: pixel limits ${minPixels} to ${maxPixels}`);
  }
  return { minPixels, maxPixels };
}

/**
 * A frame's own limits: explicit `min_pixels`/`max_pixels` of a video config (Qwen3-VL's `size` there is a volume
 * over all frames and not meant); or, where a checkpoint's pictures are smaller than the default frames ever get,
 * the picture's. Null: the default rule.
 */
function frameLimits(video: Json | null, image: PixelLimits): PixelLimits | null {
  const own = video === null
    ? null
    : pixelLimits({ min_pixels: video.min_pixels, max_pixels: video.max_pixels });
  return own ?? (image.maxPixels < VIDEO_MIN ? image : null);
}

function capped({ minPixels, maxPixels }: PixelLimits, cap = Infinity): PixelLimits {
  return { minPixels: Math.min(minPixels, cap), maxPixels: Math.min(maxPixels, cap) };
}

function triple(value: unknown, fallback: number): number[] {
  return Array.isArray(value) && value.length === 3 ? value as number[] : [fallback, fallback, fallback];
}
