/** Valley2's prompt side (VALLEY2.md): ChatML, pictures in tiles and whole. */
import type { ChatMessage, MediaFeature } from "../family.ts";
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import { renderChatml } from "../../prompt/chatml.ts";
import type { TileOptions } from "../../prompt/features.ts";
import type { Media } from "../../prompt/media.ts";
import type { PromptChoices } from "../prompt_options.ts";
import { type PictureFamily, PicturePrompt } from "../picture_prompt.ts";
import { framesPlan, pixelLimits, QWEN2VL_PATCH, qwen2vlTokens } from "../qwen2vl.ts";
import type { Valley2Config } from "./config.ts";
import { LIMITS, SIGLIP, type Style } from "./preprocessor.ts";
import { layoutOf, siglipTokens } from "./tiling.ts";

export interface Valley2PromptOptions {
  /** Which official wrapper is followed. */
  style?: Style;
  /** Show a black picture where a conversation has none, as both wrappers do (default). */
  black?: boolean;
}

export const VALLEY2_CHOICES: PromptChoices = { style: ["processor", "chat"], black: [true, false] };

/** What `chat` says whatever the caller's system message: Qwen2.5's own template. */
const QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
/** `chat` takes no more pictures. */
const CHAT_PICTURES = 8;

type PromptConfig = Pick<Valley2Config, "tiling" | "tileOneOnly" | "siglip" | "maxContext">;

/** @throws Error where the tokenizer lacks the picture markers. */
export function valley2Prompt(
  files: CheckpointFiles,
  config: PromptConfig,
  media: Media,
  { style = "processor", black = true }: Valley2PromptOptions = {},
): PicturePrompt {
  const { tiling } = config;
  const chat = style === "chat";
  /** CRITICAL: `processor` tiles one picture alone; several are thumbnails only. */
  const tiled = (pictures: number): boolean => chat || !config.tileOneOnly || pictures === 1;
  const family: PictureFamily = {
    name: "Valley2",
    maxContext: config.maxContext,
    placing: { join: chat ? "" : " ", black, deleteSurplus: chat },
    template: renderChatml,
    steer: (messages) => chat ? withQwenSystem(messages) : messages,
    maxPictures: chat ? CHAT_PICTURES : undefined,
    limits: (_, asked) => pixelLimits(LIMITS[style], asked),
    tokensOf(picture, pictures, limits) {
      const { width, height } = picture;
      return siglipTokens(width, height, tiled(pictures), tiling) + qwen2vlTokens(picture, limits);
    },
    featureOf(media, picture, pictures, limits): Promise<MediaFeature> {
      const { width, height } = picture;
      const tiles: TileOptions = {
        ...SIGLIP,
        crop: tiling.crop,
        patch: config.siglip.patch,
        layout: tiled(pictures) ? layoutOf(width, height, tiling) : null,
        tokens: siglipTokens(width, height, tiled(pictures), tiling),
      };
      return media.tiledFeature(picture, tiles, limits, QWEN2VL_PATCH);
    },
    videoPlan: (asked) => framesPlan(LIMITS[style], asked),
  };
  return new PicturePrompt(files, family, media);
}

function withQwenSystem(messages: ChatMessage[]): ChatMessage[] {
  const rest = messages[0]?.role === "system" ? messages.slice(1) : messages;
  return [{ role: "system", content: [{ type: "text", text: QWEN }] }, ...rest];
}
