/**
 * The one seam for media: bytes → decoded media, decoded media → features, all in worker threads with a deadline.
 * Everything rejects with PromptError (`unsupported_image`, `corrupt_image`, `image_too_large`,
 * `unsupported_audio`, `corrupt_audio`, `audio_too_long`, `video_unavailable`, `unsupported_video`,
 * `corrupt_video`, `video_too_long`, `video_too_large`, `too_few_frames`, `video_has_no_audio`,
 * `media_timeout`, `media_failed`); no decoder's words or paths are in it.
 */

import type { Clip, ImageOptions, MediaFeature, Raster, VideoPlan, Wave } from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import { VALLEY3_IMAGE } from "./pixels.ts";
import type { SquareOptions, TileOptions } from "./features.ts";
import { MediaPool } from "./media_pool.ts";
import type { PatchOptions } from "./patchify.ts";
import type { PixelLimits } from "./smart_resize.ts";
import type { VideoTools } from "./ffmpeg.ts";
import { sniffAudio } from "./audio_probe.ts";
import { sniffVideo } from "./video_probe.ts";

export interface MediaOptions {
  /** Worker threads. */
  threads: number;
  /** Seconds that one job may take. */
  imageDeadline: number;
  audioDeadline: number;
  videoDeadline: number;
  /** Longest sound, and longest soundtrack. */
  maxAudioSeconds: number;
  /** Longest video file. */
  maxVideoSeconds: number;
  /** Commands for video files; null: none found, and video files are refused. */
  ffmpeg: { ffmpeg: string; ffprobe: string } | null;
}

export const MEDIA_DEFAULTS: MediaOptions = {
  threads: 1,
  imageDeadline: 20,
  audioDeadline: 60,
  videoDeadline: 120,
  maxAudioSeconds: 600,
  maxVideoSeconds: 3600,
  ffmpeg: null,
};

export class Media {
  readonly options: MediaOptions;
  readonly #pool: MediaPool;

  constructor(options: Partial<MediaOptions> = {}) {
    this.options = { ...MEDIA_DEFAULTS, ...options };
    const { ffmpeg } = this.options;
    this.#pool = new MediaPool({
      threads: this.options.threads,
      run: ffmpeg === null ? [] : [ffmpeg.ffmpeg, ffmpeg.ffprobe],
    });
  }

  /** A picture as 8-bit RGB. */
  decodeImage(
    bytes: Uint8Array,
    options: ImageOptions = VALLEY3_IMAGE,
    signal?: AbortSignal,
  ): Promise<Raster> {
    return this.#pool.run("decodeImage", { bytes, options }, this.options.imageDeadline * 1000, signal);
  }

  /** A sound, mono at its own rate. M4A and WebM need ffmpeg. */
  async decodeAudio(bytes: Uint8Array, signal?: AbortSignal): Promise<Wave> {
    const { audioDeadline, maxAudioSeconds: maxSeconds } = this.options;
    const format = sniffAudio(bytes);
    if (format === null) {
      throw new PromptError(
        "The sound cannot be read: a format other than WAV, MP3, FLAC, Ogg, M4A and WebM is not supported",
        "unsupported_audio",
      );
    }
    if (format !== "mov" && format !== "matroska") {
      return await this.#pool.run("decodeAudio", { bytes, format, maxSeconds }, audioDeadline * 1000, signal);
    }
    const tools = this.#tools(audioDeadline);
    if (tools === null) {
      const message = "This server has no ffmpeg: send the sound as WAV, MP3, FLAC or Ogg";
      throw new PromptError(message, "unsupported_audio");
    }
    return await withFile(bytes, (path) => {
      const deadline = (audioDeadline + AFTER) * 1000;
      return this.#pool.run("decodeSoundtrack", { path, format, tools }, deadline, signal);
    });
  }

  /**
   * A video file: frames sampled and sized by `plan`. `audio`: "none" leaves the soundtrack, "auto" takes it where
   * there is one, "required" refuses a video without.
   */
  async decodeVideo(
    bytes: Uint8Array,
    plan: VideoPlan,
    audio: "none" | "auto" | "required" = "none",
    signal?: AbortSignal,
  ): Promise<Clip> {
    const { videoDeadline } = this.options;
    const format = sniffVideo(bytes);
    if (format === null) {
      throw new PromptError(
        "The video cannot be read: a format other than MP4, MOV, WebM, Matroska and AVI is not supported",
        "unsupported_video",
      );
    }
    const tools = this.#tools(videoDeadline);
    if (tools === null) {
      throw new PromptError(
        "This server has no ffmpeg: send the video as a list of frames",
        "video_unavailable",
      );
    }
    const clip = await withFile(bytes, (path) => {
      const deadline = (videoDeadline + AFTER) * 1000;
      return this.#pool.run("decodeVideo", { file: { path, format, audio }, plan, tools }, deadline, signal);
    });
    return { frames: clip.frames, fps: plan.fps, audio: clip.audio, fitted: plan.raw !== true, file: true };
  }

  imageFeature(image: Raster, limits: PixelLimits, patch: PatchOptions): Promise<MediaFeature> {
    return this.#pool.run("imageFeature", { image, limits, patch }, this.options.imageDeadline * 1000);
  }

  /** A picture resized twice (Valley2.5). */
  navitFeature(image: Raster, limits: PixelLimits, patch: PatchOptions): Promise<MediaFeature> {
    return this.#pool.run("navitFeature", { image, limits, patch }, this.options.imageDeadline * 1000);
  }

  /** A picture in tiles and whole (Valley2). */
  tiledFeature(
    image: Raster,
    tiles: TileOptions,
    limits: PixelLimits,
    patch: PatchOptions,
  ): Promise<MediaFeature> {
    const deadline = this.options.imageDeadline * 1000;
    return this.#pool.run("tiledFeature", { image, tiles, limits, patch }, deadline);
  }

  /** Frames, or one picture, cut to squares (Valley of 2023). */
  squareFeature(frames: Raster[], options: SquareOptions): Promise<MediaFeature> {
    return this.#pool.run("squareFeature", { frames, options }, this.options.videoDeadline * 1000);
  }

  videoFeature(
    frames: Raster[],
    fitted: boolean,
    plan: VideoPlan,
    patch: PatchOptions,
  ): Promise<MediaFeature> {
    const deadline = this.options.videoDeadline * 1000;
    return this.#pool.run("videoFeature", { frames, fitted, plan, patch }, deadline);
  }

  audioFeature(audio: Wave, melBins: number): Promise<MediaFeature> {
    return this.#pool.run("audioFeature", { audio, melBins }, this.options.audioDeadline * 1000);
  }

  #tools(seconds: number): VideoTools | null {
    const { ffmpeg, maxVideoSeconds, maxAudioSeconds } = this.options;
    return ffmpeg === null ? null : { ...ffmpeg, seconds, maxVideoSeconds, maxAudioSeconds };
  }

  /** Ends the worker threads. */
  close(): void {
    this.#pool.close();
  }
}

/** Seconds that the pool waits longer than the worker, which ends ffmpeg at its own deadline. */
const AFTER = 5;

/** Runs `use` on a temporary file of these bytes, which only this user can read and which is gone afterwards. */
async function withFile<T>(bytes: Uint8Array, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "valley-media-" }); // mode 0700
  try {
    const path = `${folder}/media`;
    await Deno.writeFile(path, bytes, { mode: 0o600 });
    return await use(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
