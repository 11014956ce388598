/** Valley3's prompt side: conversation → ids, positions and media features (VALLEY3.md). */

import {
  type ChatMessage,
  type MediaFeature,
  type MediaLimits,
  type Prompt,
  type PromptBuilder,
  PromptError,
  type PromptOptions,
  type VideoPlan,
} from "../family.ts";
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import { renderChatml } from "../../prompt/chatml.ts";
import type { Rendered } from "../../prompt/control_text.ts";
import { expandPlaceholders, type Placeholder } from "../../prompt/expand.ts";
import type { Media } from "../../prompt/media.ts";
import { VALLEY3_IMAGE } from "../../prompt/pixels.ts";
import { type Grid, mropePositions } from "../../prompt/positions.ts";
import { type ChatTemplate, render, type TemplatePart } from "../../prompt/template.ts";
import { type ExtraToken, Tokenizer } from "../../prompt/tokenizer.ts";
import type { Valley3Config, Valley3Tokens } from "./config.ts";
import {
  DEFAULT_POSITION_FPS,
  imageLimits,
  readPreprocessor,
  type ServerLimits,
  type Valley3Preprocessor,
  videoPlan,
} from "./preprocessor.ts";
import { withThinking } from "./thinking.ts";
import { mediaTokens } from "./token_count.ts";
import { TokenPrompt, tooLong } from "../token_prompt.ts";

export interface Valley3PromptOptions {
  /** A Think model: an effort may be asked for. */
  thinking: boolean;
  limits?: ServerLimits;
}

/** One medium of the conversation in work: its features (a video with its sound has two). */
interface Medium {
  kind: "image" | "video" | "audio";
  features: MediaFeature[];
  secondPerGrid: number;
}

export class Valley3Prompt extends TokenPrompt implements PromptBuilder {
  readonly imageOptions = VALLEY3_IMAGE;
  readonly #config: Valley3Config;
  readonly #media: Media;
  readonly #thinking: boolean;
  readonly #preprocessor: Valley3Preprocessor;
  readonly #template: ChatTemplate;

  /** Throws an Error where the checkpoint's files contradict each other. */
  constructor(files: CheckpointFiles, config: Valley3Config, media: Media, options: Valley3PromptOptions) {
    super(new Tokenizer(files.tokenizer, placeholderTokens(config.tokens)));
    this.#config = config;
    this.#media = media;
    this.#thinking = options.thinking;
    this.#preprocessor = readPreprocessor(files, config, options.limits);
    this.#template = files.template ?? renderChatml;
  }

  render(messages: ChatMessage[], options: PromptOptions): string {
    return this.#render(messages, options).text;
  }

  async build(messages: ChatMessage[], options: PromptOptions): Promise<Prompt> {
    const { text, blocked } = this.#render(messages, options);
    const { maxContext } = this.#config;
    const ids = await this.tokenizer.encodeLong(text, blocked, maxContext);
    if (ids === null) throw tooLong(maxContext);
    const parts = messages.flatMap((message) => message.content).filter((part) => part.type !== "text");
    const total = parts.reduce(
      (sum, part) => sum + mediaTokens(part, this.#preprocessor, options.limits),
      ids.length,
    );
    if (total > maxContext) throw tooLong(maxContext);
    const media = await Promise.all(parts.map((part) => this.#preprocess(part, options.limits)));
    const features = media.flatMap((medium) => medium.features);
    const { ids: expanded, spans } = this.#expand(ids, media, options);
    const rope = this.#positions(expanded, media);
    return {
      ids: expanded,
      positions: rope?.positions ?? null,
      ropeDelta: rope?.ropeDelta ?? 0,
      media: features,
      spans,
      mediaTokens: {
        image: countTokens(features, "image"),
        video: countTokens(features, "video"),
        audio: countTokens(features, "audio"),
      },
    };
  }

  videoPlan(limits?: MediaLimits): VideoPlan {
    return videoPlan(this.#preprocessor, limits);
  }

  #render(messages: ChatMessage[], { tools, effort, tokenization, enableThinking }: PromptOptions): Rendered {
    if (effort !== null && !this.#thinking) {
      throw new PromptError(
        "This model has no reasoning effort",
        "reasoning_unsupported",
        "reasoning_effort",
      );
    }
    const steered = effort === null ? messages : withThinking(messages, effort);
    return render(
      this.#template,
      this.control,
      {
        messages: steered.map(({ role, content, toolCalls }) => ({
          role,
          content: content.map((part): TemplatePart => part.type === "text" ? part : { type: part.type }),
          toolCalls,
        })),
        tools: tools.map(({ raw }) => raw),
        enableThinking,
      },
      tokenization,
    );
  }

  async #preprocess(part: ChatMessage["content"][number], limits: MediaLimits | undefined): Promise<Medium> {
    const { patch } = this.#preprocessor;
    const melBins = this.#config.audio.melBins;
    switch (part.type) {
      case "image": {
        const feature = await this.#media.imageFeature(
          part.image,
          imageLimits(this.#preprocessor, limits),
          patch,
        );
        return { kind: "image", features: [feature], secondPerGrid: 0 };
      }
      case "audio":
        return {
          kind: "audio",
          features: [await this.#media.audioFeature(part.audio, melBins)],
          secondPerGrid: 0,
        };
      case "video": {
        const { frames, fps, audio, fitted } = part.video;
        // A request's limits were spent on a file when it was sampled; a list of frames meets them here.
        const plan = this.videoPlan(fitted === true ? undefined : limits);
        if (frames.length === 0) throw new PromptError("The video has no frames", "too_few_frames");
        if (frames.length > plan.maxFrames) {
          throw new PromptError(`The video has over ${plan.maxFrames} frames, the limit`, "video_too_long");
        }
        const features = await Promise.all([
          this.#media.videoFeature(frames, fitted === true, plan, patch),
          ...(audio === null ? [] : [this.#media.audioFeature(audio, melBins)]),
        ]);
        return {
          kind: "video",
          features,
          secondPerGrid: patch.temporalPatchSize / (fps ?? DEFAULT_POSITION_FPS),
        };
      }
      case "text":
        throw new Error("Cannot preprocess text");
    }
  }

  #expand(
    ids: Uint32Array,
    media: Medium[],
    { tokenization }: PromptOptions,
  ): ReturnType<typeof expandPlaceholders> {
    const placeholders: Placeholder[] = [];
    let index = 0;
    for (const { kind, features: [feature, sound], secondPerGrid } of media) {
      const base = { media: index++, tokens: feature.tokens };
      if (sound === undefined) placeholders.push({ kind, ...base });
      else {
        placeholders.push({
          kind: "video-with-audio",
          ...base,
          tokensPerGrid: feature.tokens / feature.shape[0],
          timePerGrid: secondPerGrid * this.#preprocessor.interleaveRate,
          audioMedia: index++,
          audioTokens: sound.tokens,
        });
      }
    }
    try {
      return expandPlaceholders(ids, placeholders, this.#config.tokens);
    } catch (error) {
      // Only the official tokenization lets text spell a placeholder.
      if (tokenization === "official") {
        throw new PromptError("The text spells a media placeholder token", "placeholder_in_text");
      }
      throw error;
    }
  }

  #positions(ids: Uint32Array, media: Medium[]): ReturnType<typeof mropePositions> {
    const grids = (kind: string) => media.filter((medium) => medium.kind === kind);
    const gridOf = ({ features }: Medium): Grid => features[0].shape as unknown as Grid;
    return mropePositions(ids, this.#config.tokens, {
      images: grids("image").map(gridOf),
      videos: grids("video").map((medium) => ({ grid: gridOf(medium), secondPerGrid: medium.secondPerGrid })),
      audios: media.flatMap(({ features }) => features.filter(({ kind }) => kind === "audio"))
        .map(({ tokens }) => tokens),
      mergeSize: this.#config.vision.merge,
      positionIdPerSeconds: this.#config.positionIdPerSeconds,
    });
  }
}

const countTokens = (features: MediaFeature[], kind: MediaFeature["kind"]): number =>
  features.reduce((sum, feature) => sum + (feature.kind === kind ? feature.tokens : 0), 0);

/** The placeholders and their markers by the config's ids; the four speech tokens only where their ids lie between. */
function placeholderTokens(tokens: Valley3Tokens): ExtraToken[] {
  const speech = ["<tts_pad>", "<tts_text_bos>", "<tts_text_eod>", "<tts_text_bos_single>"];
  const consecutive = tokens.audioEnd === tokens.audioStart + 1 && tokens.audio === tokens.audioStart + 6;
  return [
    { id: tokens.visionStart, content: "<|vision_start|>" },
    { id: tokens.visionEnd, content: "<|vision_end|>" },
    { id: tokens.image, content: "<|image_pad|>" },
    { id: tokens.video, content: "<|video_pad|>" },
    { id: tokens.audioStart, content: "<|audio_start|>" },
    { id: tokens.audioEnd, content: "<|audio_end|>" },
    { id: tokens.audio, content: "<|audio_pad|>" },
    ...(consecutive ? speech.map((content, i) => ({ id: tokens.audioStart + 2 + i, content })) : []),
  ];
}
