/** Valley2.5's prompt side (VALLEY2_5.md): pictures through the Qwen2-VL tower alone, thinking by effort. */
import type { Raster } from "../family.ts";
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import type { Media } from "../../prompt/media.ts";
import { navitSizes } from "../../prompt/navit_resize.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";
import type { PromptChoices } from "../prompt_options.ts";
import { PicturePrompt } from "../picture_prompt.ts";
import type { Valley25Config } from "./config.ts";
import { MANY_PICTURES, ONE_PICTURE, pixelLimits, VALLEY25_PATCH, videoPlan } from "./preprocessor.ts";
import { renderQwen3 } from "./template.ts";
import { withGThinker } from "./thinking.ts";

export interface Valley25PromptOptions {
  /** Show a black picture where a conversation has none, as the processor does (default). */
  black?: boolean;
}

export const VALLEY25_CHOICES: PromptChoices = { black: [true, false] };

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
    limits: (pictures, asked) => pixelLimits(pictures > 1 ? MANY_PICTURES : ONE_PICTURE, asked),
    tokensOf: (picture, _, limits) => navitTokens(picture, limits),
    featureOf: (media, picture, _, limits) => media.navitFeature(picture, limits, VALLEY25_PATCH),
    videoPlan,
  }, media);

function navitTokens({ width, height }: Raster, limits: PixelLimits): number {
  const [h, w] = navitSizes(height, width, limits).last;
  return h * w / 784;
}
