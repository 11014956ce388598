/** Which frames of a video are taken, and how large they may be: the rule of qwen_vl_utils (VALLEY3.md "Video"). */

import { PromptError, type VideoPlan } from "../families/family.ts";
import { type PixelLimits, roundHalfEven } from "./smart_resize.ts";

/**
 * Frame indices, evenly spaced from the first to the last frame; a frame may repeat. `videoFps`: frames a second
 * of the file. Throws PromptError `too_few_frames`.
 */
export function sampleFrames(totalFrames: number, videoFps: number, plan: VideoPlan): number[] {
  const factor = plan.frameFactor;
  if (plan.spread === true && plan.nframes !== null && totalFrames > 0) {
    return spreadFrames(totalFrames, plan.nframes);
  }
  if (plan.spread === true && plan.fps !== null && totalFrames > 0) {
    const taken = steppedFrames(totalFrames, videoFps, plan.fps);
    if (taken.length <= plan.maxFrames) return taken;
    throw new PromptError(
      `The video gives ${taken.length} frames at fps ${plan.fps}: this model takes ${plan.maxFrames}`,
      "too_many_frames",
    );
  }
  let count: number;
  if (plan.nframes !== null) {
    count = roundHalfEven(plan.nframes / factor) * factor;
  } else {
    const fewest = Math.ceil(plan.minFrames / factor) * factor;
    const most = Math.floor(Math.min(plan.maxFrames, Math.max(totalFrames, factor)) / factor) * factor;
    count = totalFrames / videoFps * (plan.fps ?? plan.defaultFps);
    count = Math.min(Math.min(Math.max(count, fewest), most), totalFrames);
    count = Math.floor(count / factor) * factor;
  }
  if (!(count >= factor && count <= totalFrames)) {
    throw new PromptError(
      `The video has ${totalFrames} frames: ${factor} to ${totalFrames} can be taken, not ${count}`,
      "too_few_frames",
    );
  }
  return linspace(totalFrames - 1, count).map(roundHalfEven);
}

/** Valley (2023) by frames a second: every trunc(round(file's)/asked)-th frame from the first. */
export function steppedFrames(totalFrames: number, videoFps: number, fps: number): number[] {
  const step = Math.max(1, Math.trunc(roundHalfEven(videoFps) / fps));
  return Array.from({ length: Math.ceil(totalFrames / step) }, (_, i) => i * step);
}

/** The older families' rule: i·(total − 1)/(count − 1) cut down, the last exactly total − 1; short videos repeat frames. */
export function spreadFrames(totalFrames: number, count: number): number[] {
  const step = (totalFrames - 1) / (count - 1);
  return Array.from({ length: count }, (_, i) => i === count - 1 ? totalFrames - 1 : Math.floor(i * step));
}

/** torch.linspace(0, end, steps) in float32: from both ends towards the middle. */
function linspace(end: number, steps: number): number[] {
  const step = Math.fround(end / (steps - 1));
  return Array.from({ length: steps }, (_, i) => {
    const value = i < steps / 2 ? step * i : end - step * (steps - 1 - i);
    return Math.fround(value);
  });
}

/** Pixel limits of one of `frames` frames. */
export function framePixelLimits(plan: VideoPlan, frames: number): PixelLimits {
  const { minPixels, maxPixels, totalPixels } = plan;
  if (totalPixels === null) return { minPixels, maxPixels };
  return {
    minPixels,
    maxPixels: Math.max(Math.min(maxPixels, totalPixels / frames), Math.trunc(minPixels * 1.05)),
  };
}
