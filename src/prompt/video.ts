import type { Raster, VideoPlan, Wave } from "../families/family.ts";
import type { VideoFormat } from "./video_probe.ts";

export interface VideoFile {
  path: string;
  format: VideoFormat;
  audio: "none" | "auto" | "required";
}

export interface VideoTools {
  ffmpeg: string;
  ffprobe: string;
  seconds: number;
  maxVideoSeconds: number;
  maxAudioSeconds: number;
}

export function readVideo(
  _file: VideoFile,
  _plan: VideoPlan,
  _tools: VideoTools,
): Promise<{ frames: Raster[]; audio: Wave | null }> {
  throw new Error("todo");
}
