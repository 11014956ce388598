/** How Valley (2023) takes pictures and frames (VALLEY1.md "Preprocessing"). */
import { type Clip, type MediaLimits, PromptError, type Raster, type VideoPlan } from "../family.ts";
import { SPREAD, wholeLimit } from "../media_limits.ts";
import { spreadFrames } from "../../prompt/video_rule.ts";

/** Frames of a clip, whatever the file's length. */
export const FRAMES = 8;
const MAX_FRAMES = 16;

/** Throws PromptError on limits that this model has no use for. */
export function refuseLimits(limits: MediaLimits = {}): void {
  const known = ["nframes", "fps"];
  const asked = Object.entries(limits).filter(([key, value]) => !known.includes(key) && value !== undefined);
  if (asked.length === 0) return;
  const name = asked[0][0].replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  throw new PromptError(
    `${name} is not known to this model, whose pictures have one size: it takes nframes or fps of a video`,
    "invalid_media_limit",
    "mm_processor_kwargs",
  );
}

/** 8 frames spread over the file, or as many as asked, or so many a second. */
export function videoPlan(limits: MediaLimits = {}): VideoPlan {
  refuseLimits(limits);
  const { fps = null } = limits;
  const nframes = wholeLimit("nframes", limits.nframes, MAX_FRAMES) ?? (fps === null ? FRAMES : null);
  return { ...SPREAD, fps, nframes, maxFrames: MAX_FRAMES, sizeFactor: 1, minPixels: 1, maxPixels: 1 };
}

/** Frames of a clip: those of a file are sampled already, of a list 8 are taken by the same rule. */
export function framesOf({ frames, file }: Clip): Raster[] {
  if (frames.length === 0) throw new PromptError("The video has no frames", "too_few_frames");
  return file === true ? frames : spreadFrames(frames.length, FRAMES).map((i) => frames[i]);
}
