/** Decoded media → what an encoder reads (`MediaFeature`). Runs in the media worker. */

import { createHash } from "node:crypto";
import type { MediaFeature, MediaKind, Raster, VideoPlan, Wave } from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import { audioTokens } from "./audio_tokens.ts";
import { logMel, MEL_SAMPLE_RATE } from "./mel.ts";
import { navitFit } from "./navit_resize.ts";
import { type Normalisation, patchify, type PatchOptions } from "./patchify.ts";
import { pixelRows } from "./pixel_rows.ts";
import { resample } from "./resample.ts";
import { resize } from "./resize.ts";
import { type PixelLimits, smartResize } from "./smart_resize.ts";
import { planesOf, squareOf, type SquarePath, type TileLayout, tilesOf } from "./square.ts";
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

/** What `tiledFeature` needs beside the options of the Qwen ViT. */
export interface TileOptions extends Normalisation {
  /** Pixels of a tile's side and of a patch's. */
  crop: number;
  patch: number;
  /** null: the thumbnail alone. */
  layout: TileLayout | null;
  /** Tokens that the tiles become. */
  tokens: number;
}

/**
 * A picture as Valley2 takes it: rows of SigLIP patches of all tiles, then the rows that a Qwen ViT reads of the whole.
 * Shape [tiles, width, height, grid rows, grid columns].
 */
export function tiledFeature(
  image: Raster,
  tiles: TileOptions,
  limits: PixelLimits,
  patch: PatchOptions,
): MediaFeature {
  const cut = tilesOf(image, tiles.crop, tiles.layout);
  const size = { pictures: cut.length, channels: 3, side: tiles.crop, patch: tiles.patch };
  const pixels = pixelRows(planesOf(cut, tiles), size);
  const { data, grid } = patchify([navitFit(image, limits)], patch);
  const both = new Float32Array(pixels.length + data.length);
  both.set(pixels);
  both.set(data, pixels.length);
  const tokens = tiles.tokens + grid[1] * grid[2] / patch.mergeSize ** 2;
  return feature("image", tokens, both, [cut.length, image.width, image.height, grid[1], grid[2]]);
}

/** What `squareFeature` needs. */
export interface SquareOptions extends Normalisation {
  kind: "image" | "video";
  side: number;
  patch: number;
  path: SquarePath;
  tokens: number;
}

/** Frames (or one picture) as Valley (2023) takes them: rows of CLIP patches. Shape [frames]. */
export function squareFeature(frames: readonly Raster[], options: SquareOptions): MediaFeature {
  const { kind, side, patch, path, tokens } = options;
  const squares = frames.map((frame) => squareOf(frame, side, path));
  const size = { pictures: frames.length, channels: 3, side, patch };
  return feature(kind, tokens, pixelRows(planesOf(squares, options), size), [frames.length]);
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
