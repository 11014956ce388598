/** The work that the media worker does, as plain functions of plain data. */

import type { ImageOptions, MediaFeature, Raster, VideoPlan, Wave } from "../families/family.ts";
import { decodeAudio } from "./audio.ts";
import {
  audioFeature,
  imageFeature,
  navitFeature,
  squareFeature,
  type SquareOptions,
  tiledFeature,
  type TileOptions,
  videoFeature,
} from "./features.ts";
import { decodeImage } from "./image.ts";
import type { PatchOptions } from "./patchify.ts";
import type { PixelLimits } from "./smart_resize.ts";
import type { StreamFormat } from "./audio_probe.ts";
import { Deadline, type VideoTools } from "./ffmpeg.ts";
import { readSoundtrack } from "./soundtrack.ts";
import { readVideo, type VideoFile } from "./video.ts";
import type { VideoFormat } from "./video_probe.ts";

/** What `readVideo` gives: frames at the plan's size, and the soundtrack where it was wanted. */
export interface DecodedVideo {
  frames: Raster[];
  audio: Wave | null;
}

export interface Jobs {
  decodeImage: { input: { bytes: Uint8Array; options: ImageOptions }; output: Raster };
  decodeAudio: { input: { bytes: Uint8Array; format: StreamFormat; maxSeconds: number }; output: Wave };
  decodeSoundtrack: { input: { path: string; format: VideoFormat; tools: VideoTools }; output: Wave };
  decodeVideo: { input: { file: VideoFile; plan: VideoPlan; tools: VideoTools }; output: DecodedVideo };
  imageFeature: { input: { image: Raster; limits: PixelLimits; patch: PatchOptions }; output: MediaFeature };
  navitFeature: { input: { image: Raster; limits: PixelLimits; patch: PatchOptions }; output: MediaFeature };
  tiledFeature: {
    input: { image: Raster; tiles: TileOptions; limits: PixelLimits; patch: PatchOptions };
    output: MediaFeature;
  };
  squareFeature: { input: { frames: Raster[]; options: SquareOptions }; output: MediaFeature };
  videoFeature: {
    input: { frames: Raster[]; fitted: boolean; plan: VideoPlan; patch: PatchOptions };
    output: MediaFeature;
  };
  audioFeature: { input: { audio: Wave; melBins: number }; output: MediaFeature };
}

export type JobKind = keyof Jobs;
export type JobInput<K extends JobKind> = Jobs[K]["input"];
export type JobOutput<K extends JobKind> = Jobs[K]["output"];

const RUN: { [K in JobKind]: (input: JobInput<K>) => JobOutput<K> | Promise<JobOutput<K>> } = {
  decodeImage: async ({ bytes, options }) => shareRaster(await decodeImage(bytes, options)),
  decodeAudio: async ({ bytes, format, maxSeconds }) =>
    shareWave(await decodeAudio(bytes, format, maxSeconds)),
  decodeSoundtrack: async ({ path, format, tools }) =>
    shareWave(await readSoundtrack(path, format, tools, new Deadline(tools.seconds))),
  decodeVideo: async ({ file, plan, tools }) => {
    const { frames, audio } = await readVideo(file, plan, tools);
    return { frames: frames.map(shareRaster), audio: audio === null ? null : shareWave(audio) };
  },
  imageFeature: ({ image, limits, patch }) => imageFeature(image, limits, patch),
  navitFeature: ({ image, limits, patch }) => navitFeature(image, limits, patch),
  tiledFeature: ({ image, tiles, limits, patch }) => tiledFeature(image, tiles, limits, patch),
  squareFeature: ({ frames, options }) => squareFeature(frames, options),
  videoFeature: ({ frames, fitted, plan, patch }) => videoFeature(frames, fitted, plan, patch),
  audioFeature: ({ audio, melBins }) => audioFeature(audio, melBins),
};

export async function runJob<K extends JobKind>(kind: K, input: JobInput<K>): Promise<JobOutput<K>> {
  return await RUN[kind](input);
}

/** Buffers that a result may give away instead of being copied. */
export function transferable(result: unknown): Transferable[] {
  if (typeof result !== "object" || result === null) return [];
  return Object.values(result)
    .map((value) => (ArrayBuffer.isView(value) ? value.buffer : null))
    .filter((buffer) => buffer instanceof ArrayBuffer);
}

/** Moves the pixels to shared memory, so that threads pass them on without a copy. */
function shareRaster({ width, height, rgb }: Raster): Raster {
  const shared = new Uint8Array(new SharedArrayBuffer(rgb.length));
  shared.set(rgb);
  return { width, height, rgb: shared };
}

/** The same for samples. */
function shareWave({ sampleRate, samples }: Wave): Wave {
  const shared = new Float32Array(new SharedArrayBuffer(samples.byteLength));
  shared.set(samples);
  return { sampleRate, samples: shared };
}
