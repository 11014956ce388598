/**
 * A video file → sampled frames at the model's size, and its soundtrack (VALLEY3.md "Video"). Runs in the media
 * worker. Frames leave ffmpeg at full size as RGB (swscale's conversion, as decord and torchvision use it), one at
 * a time, and are resized here by the model's own bicubic: ffmpeg's scaler gives other pixels.
 */

import { PromptError, type Raster, type VideoPlan, type Wave } from "../families/family.ts";
import { Deadline, inputOptions, MAX_FRAME_PIXELS, pipe, type VideoTools } from "./ffmpeg.ts";
import { PpmStream } from "./ppm.ts";
import { resize } from "./resize.ts";
import { smartResize } from "./smart_resize.ts";
import { readSoundtrack } from "./soundtrack.ts";
import { probeVideo, type VideoInfo } from "./video_info.ts";
import type { VideoFormat } from "./video_probe.ts";
import { framePixelLimits, sampleFrames } from "./video_rule.ts";

export interface VideoFile {
  path: string;
  format: VideoFormat;
  /** none: the soundtrack is not wanted; auto: taken where there is one; required: a file without one is refused. */
  audio: "none" | "auto" | "required";
}

/** Throws PromptError; see media.ts for the codes. */
export async function readVideo(
  file: VideoFile,
  plan: VideoPlan,
  tools: VideoTools,
): Promise<{ frames: Raster[]; audio: Wave | null }> {
  const deadline = new Deadline(tools.seconds);
  let info = await probeVideo(file.path, file.format, tools, deadline, "packets");
  if (file.audio === "required" && !info.hasAudio) {
    throw new PromptError("The video has no soundtrack", "video_has_no_audio");
  }
  let frames = await readFrames(file, info, plan, tools, deadline);
  if (frames === null) {
    // Packets that show no picture (VP8's hidden frames, field pairs): count what decodes, and take again.
    info = await probeVideo(file.path, file.format, tools, deadline, "frames");
    frames = await readFrames(file, info, plan, tools, deadline);
    if (frames === null) throw corruptVideo();
  }
  const wanted = file.audio !== "none" && info.hasAudio;
  return { frames, audio: wanted ? await readSoundtrack(file.path, file.format, tools, deadline) : null };
}

/** The frames that the plan takes; null where the file gave fewer than it declares. */
async function readFrames(
  { path, format }: VideoFile,
  { frames: total, fps }: VideoInfo,
  plan: VideoPlan,
  { ffmpeg }: VideoTools,
  deadline: Deadline,
): Promise<Raster[] | null> {
  const indices = sampleFrames(total, fps, plan);
  const limits = framePixelLimits(plan, indices.length);
  const frames: Raster[] = [];
  const distinct = [...new Set(indices)]; // a short video repeats frames
  const stream = new PpmStream(MAX_FRAME_PIXELS, (frame) => {
    if (plan.raw === true) {
      if (distinct.length * frame.rgb.length > MAX_RAW_BYTES) throw tooLarge(distinct.length, frame);
      frames.push(frame);
      return;
    }
    const [height, width] = smartResize(frame.height, frame.width, plan.sizeFactor, limits);
    frames.push(resize(frame, width, height));
  });
  await pipe(
    ffmpeg,
    [
      ...["-nostdin", "-threads", "2", "-timelimit", String(2 * Math.ceil(deadline.leftMs / 1000))],
      ...inputOptions(path, format),
      ...["-map", "0:v:0", "-vf", `select='${selectExpression(distinct)}'`],
      ...["-fps_mode", "passthrough", "-frames:v", String(distinct.length)],
      ...["-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "pipe:1"],
    ],
    deadline,
    (piece) => {
      try {
        stream.push(piece);
      } catch (error) {
        throw error instanceof PromptError ? error : corruptVideo();
      }
    },
  );
  if (frames.length !== distinct.length) return null;
  return indices.map((index) => frames[distinct.indexOf(index)]);
}

/**
 * ffmpeg's expression that is 1 for frames of these numbers (ascending): a tree, as a flat sum of more than 100
 * terms is refused, and is slow.
 */
export function selectExpression(indices: readonly number[]): string {
  if (indices.length === 1) return `eq(n,${indices[0]})`;
  const middle = indices.length >> 1;
  const [low, high] = [indices.slice(0, middle), indices.slice(middle)];
  return `if(lt(n,${high[0]}),${selectExpression(low)},${selectExpression(high)})`;
}

/** Bytes that the taken frames may have at the file's size. */
const MAX_RAW_BYTES = 1 << 30;

const tooLarge = (count: number, { width, height }: Raster): PromptError =>
  new PromptError(
    `${count} frames of ${width}×${height} pixels are too many bytes: ask for fewer (nframes)`,
    "video_too_large",
  );

const corruptVideo = (): PromptError => new PromptError("The video is damaged or truncated", "corrupt_video");
