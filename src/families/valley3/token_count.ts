/** How many prompt tokens media will fill, told before anything is preprocessed. */

import type { ChatPart, MediaLimits } from "../family.ts";
import { audioTokens } from "../../prompt/audio_tokens.ts";
import { melFrames } from "../../prompt/mel.ts";
import { smartResize } from "../../prompt/smart_resize.ts";
import { framePixelLimits } from "../../prompt/video_rule.ts";
import { imageLimits, type Valley3Preprocessor, videoPlan } from "./preprocessor.ts";

/** Tokens of one part, a soundtrack included. Throws PromptError for a size that the model cannot take. */
export function mediaTokens(part: ChatPart, preprocessor: Valley3Preprocessor, limits?: MediaLimits): number {
  const { patchSize, mergeSize, temporalPatchSize } = preprocessor.patch;
  const factor = patchSize * mergeSize;
  switch (part.type) {
    case "text":
      return 0;
    case "image": {
      const { width, height } = part.image;
      const [h, w] = smartResize(height, width, factor, imageLimits(preprocessor, limits));
      return h * w / factor ** 2;
    }
    case "audio":
      return audioTokens(melFrames(part.audio));
    case "video": {
      const { frames, fitted, audio } = part.video;
      const sound = audio === null ? 0 : audioTokens(melFrames(audio));
      if (frames.length === 0) return sound;
      let [h, w] = [frames[0].height, frames[0].width];
      const groups = Math.ceil(frames.length / temporalPatchSize);
      if (fitted !== true) {
        const rule = framePixelLimits(videoPlan(preprocessor, limits), groups * temporalPatchSize);
        [h, w] = smartResize(h, w, factor, rule);
      }
      return sound + groups * h * w / factor ** 2;
    }
  }
}
