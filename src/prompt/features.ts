/** Decoded media → what an encoder reads (`MediaFeature`). Runs in the media worker. */

import { createHash } from "node:crypto";
import type { MediaFeature, MediaKind, Raster, VideoPlan, Wave } from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import { audioTokens } from "./audio_tokens.ts";
import { logMel, MEL_SAMPLE_RATE } from "./mel.ts";
import { navitFit } from "./navit_resize.ts";
import { patchify, type PatchOptions } from "./patchify.ts";
import { resample } from "./resample.ts";
import { resize } from "./resize.ts";
import { type PixelLimits, smartResize } from "./smart_resize.ts";
import { framePixelLimits } from "./video_rule.ts";

/** Part of every digest: to be raised whenever preprocessing gives other numbers. */
const PREPROCESSING_VERSION = 1;

/** A picture as the Qwen ViT takes it: tokens = h·w / merge². */
export function imageFeature(image: Raster, limits: PixelLimits, patch: PatchOptions): MediaFeature {
  return patchFeature("image", [fit(image, limits, patch)], patch);
}

/** A picture as Valley2.5 takes it: resized twice, then as above. */
export function navitFeature(image: Raster, limits: PixelLimits, patch: PatchOptions): MediaFeature {
  return patchFeature("image", [navitFit(image, limits)], patch);
}

/**
 * Frames of one video. Those not fitted yet are resized to the size that the plan gives the first; frames of
 * different sizes are refused (`video_frames_differ`).
 */
export function videoFeature(
  frames: readonly Raster[],
  fitted: boolean,
  plan: VideoPlan,
  patch: PatchOptions,
): MediaFeature {
  const { width, height } = frames[0];
  if (frames.some((frame) => frame.width !== width || frame.height !== height)) {
    throw new PromptError("The frames of a video must have one size", "video_frames_differ");
  }
  // An odd last frame is repeated by patchify; the rule counts it.
  const limits = framePixelLimits(plan, Math.ceil(frames.length / plan.frameFactor) * plan.frameFactor);
  return patchFeature("video", fitted ? frames : frames.map((frame) => fit(frame, limits, patch)), patch);
}

/** A sound: log-mel [bins, frames]. Throws PromptError `audio_too_short` under one frame. */
export function audioFeature(wave: Wave, melBins: number): MediaFeature {
  const samples = resample(wave.samples, wave.sampleRate, MEL_SAMPLE_RATE);
  const { data, bins, frames } = logMel(samples, melBins);
  if (frames < 1) throw new PromptError("The sound is shorter than 10 milliseconds", "audio_too_short");
  return feature("audio", audioTokens(frames), data, [bins, frames]);
}

/** The picture at the size that smart_resize gives it. */
export function fit(
  image: Raster,
  limits: PixelLimits,
  patch: { patchSize: number; mergeSize: number },
): Raster {
  const [height, width] = smartResize(image.height, image.width, patch.patchSize * patch.mergeSize, limits);
  return resize(image, width, height);
}

function patchFeature(kind: MediaKind, frames: readonly Raster[], patch: PatchOptions): MediaFeature {
  const { data, grid } = patchify(frames, patch);
  return feature(kind, grid[0] * grid[1] * grid[2] / patch.mergeSize ** 2, data, [...grid]);
}

function feature(kind: MediaKind, tokens: number, data: Float32Array, shape: number[]): MediaFeature {
  const hash = createHash("sha256");
  hash.update(`${kind} ${shape.join(" ")} ${PREPROCESSING_VERSION} `);
  hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { kind, digest: hash.digest("hex"), tokens, data, shape };
}
