/** What ffprobe says of a video file, held against the caps before anything is decoded. */

import { PromptError } from "../families/family.ts";
import { type Deadline, inputOptions, MAX_FRAME_PIXELS, output, type VideoTools } from "./ffmpeg.ts";
import type { VideoFormat } from "./video_probe.ts";

export interface VideoInfo {
  /** Frames of the first video stream. */
  frames: number;
  /** Average frames a second. */
  fps: number;
  hasAudio: boolean;
}

interface Stream {
  codec_type?: string;
  width?: number;
  height?: number;
  avg_frame_rate?: string;
  r_frame_rate?: string;
  nb_read_packets?: string;
  nb_read_frames?: string;
  disposition?: { attached_pic?: number };
}

const ENTRIES =
  "format=duration:stream=codec_type,width,height,avg_frame_rate,r_frame_rate,nb_read_packets," +
  "nb_read_frames:stream_disposition=attached_pic";

/**
 * `count`: "packets" reads the file through without decoding; "frames" decodes the video. Throws PromptError
 * (`corrupt_video`, `video_too_large`, `video_too_long`).
 */
export async function probeVideo(
  path: string,
  format: VideoFormat,
  { ffprobe, maxVideoSeconds }: VideoTools,
  deadline: Deadline,
  count: "packets" | "frames",
): Promise<VideoInfo> {
  const corrupt = (): PromptError => new PromptError("The video is damaged or truncated", "corrupt_video");
  const probe = async (extra: string[]): Promise<{ streams?: Stream[]; format?: { duration?: string } }> => {
    const args = [...extra, ...inputOptions(path, format), "-show_entries", ENTRIES, "-of", "json"];
    const json = await output(ffprobe, args, deadline, 1 << 20, corrupt);
    if (json === null) throw corrupt();
    try {
      return JSON.parse(new TextDecoder().decode(json));
    } catch {
      throw corrupt();
    }
  };
  const first = await probe([]);
  const { width = 0, height = 0, avg_frame_rate: average, r_frame_rate: base } = videoOf(first.streams) ?? {};
  if (width < 1 || height < 1) throw corrupt();
  if (width * height > MAX_FRAME_PIXELS) {
    throw new PromptError(
      `The video has frames of ${width}×${height} pixels; the limit is 8192×4320`,
      "video_too_large",
    );
  }
  const duration = Number(first.format?.duration ?? 0);
  if (duration > maxVideoSeconds) {
    throw new PromptError(`The video is longer than ${maxVideoSeconds} seconds`, "video_too_long");
  }
  const counted = videoOf((await probe(["-select_streams", "v:0", `-count_${count}`])).streams);
  const frames = Number(count === "packets" ? counted?.nb_read_packets : counted?.nb_read_frames);
  const fps = rate(average) ?? rate(base) ?? (duration > 0 ? frames / duration : NaN);
  if (!(frames >= 1) || !(fps > 0)) throw corrupt();
  if (frames / fps > maxVideoSeconds * 1.01 + 1) {
    throw new PromptError(`The video is longer than ${maxVideoSeconds} seconds`, "video_too_long");
  }
  return { frames, fps, hasAudio: first.streams?.some((stream) => stream.codec_type === "audio") === true };
}

/** The first stream of moving pictures (a cover is none). */
function videoOf(streams: Stream[] = []): Stream | undefined {
  return streams.find((stream) => stream.codec_type === "video" && stream.disposition?.attached_pic !== 1);
}

/** "30000/1001" → number; null where it is not given (0/0). */
function rate(fraction: string | undefined): number | null {
  const [numerator, denominator] = (fraction ?? "").split("/").map(Number);
  const value = numerator / denominator;
  return Number.isFinite(value) && value > 0 ? value : null;
}
