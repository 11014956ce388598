/** Valley2.5's prompt side (VALLEY2_5.md): pictures through the Qwen2-VL tower alone, thinking by effort. */
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import type { Media } from "../../prompt/media.ts";
import { FIRST_LIMITS } from "../../prompt/navit_resize.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";
import type { PromptChoices } from "../prompt_options.ts";
import { PicturePrompt } from "../picture_prompt.ts";
import { framesPlan, pixelLimits, QWEN2VL_PATCH, qwen2vlTokens } from "../qwen2vl.ts";
import type { Valley25Config } from "./config.ts";
import { renderQwen3 } from "./template.ts";
import { withGThinker } from "./thinking.ts";

export interface Valley25PromptOptions {
  /** Show a black picture where a conversation has none, as the processor does (default). */
  black?: boolean;
}

export const VALLEY25_CHOICES: PromptChoices = { black: [true, false] };

/** Pixels in the demos with several pictures or a video; a single one has those of the first resize. */
const MANY_PICTURES: PixelLimits = { minPixels: 4 * 784, maxPixels: 256 * 784 };

/** @throws Error where the tokenizer lacks the picture markers. */
export const valley25Prompt = (
  files: CheckpointFiles,
  { maxContext }: Pick<Valley25Config, "maxContext">,
  media: Media,
  { black = true }: Valley25PromptOptions = {},
): PicturePrompt =>
  new PicturePrompt(files, {
    name: "Valley2.5",
    maxContext,
    placing: { join: " ", black, deleteSurplus: false },
    template: renderQwen3,
    steer: (messages, effort) => effort !== null && effort !== "minimal" ? withGThinker(messages) : messages,
    limits: (pictures, asked) => pixelLimits(pictures > 1 ? MANY_PICTURES : FIRST_LIMITS, asked),
    tokensOf: (picture, _, limits) => qwen2vlTokens(picture, limits),
    featureOf: (media, picture, _, limits) => media.navitFeature(picture, limits, QWEN2VL_PATCH),
    videoPlan: (asked) => framesPlan(MANY_PICTURES, asked),
  }, media);
