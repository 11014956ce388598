/** The prompt side of Valley (2023): one clip or picture, three prompt forms, LLaMA's sentencepiece (VALLEY1.md). */
import {
  type ChatMessage,
  type MediaFeature,
  type MediaLimits,
  type Prompt,
  type PromptBuilder,
  PromptError,
  type PromptOptions,
  type Raster,
  type VideoPlan,
} from "../family.ts";
import { patchesOfSide } from "../../model/vision_clip.ts";
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import type { Rendered } from "../../prompt/control_text.ts";
import type { Media } from "../../prompt/media.ts";
import { CLIP } from "../../prompt/patchify.ts";
import { PLAIN_IMAGE } from "../../prompt/pixels.ts";
import { type ChatTemplate, markFor, render, type TemplateMessage } from "../../prompt/template.ts";
import { Tokenizer } from "../../prompt/tokenizer.ts";
import type { PromptChoices } from "../prompt_options.ts";
import { expandStandIn } from "../picture_conversation.ts";
import type { Valley1Config } from "./config.ts";
import {
  completion,
  conversation,
  type Form,
  markersOf,
  PLACEHOLDER,
  type Style,
  training,
  type Turn,
} from "./conversation.ts";
import { FRAMES, framesOf, refuseLimits, videoPlan } from "./preprocessor.ts";
import { type MarkerIds, splices } from "./splice.ts";
import { bosOf, controlTokens, markersIn, stripping } from "./vocabulary.ts";
import { TokenPrompt, tooLong } from "../token_prompt.ts";

export interface Valley1PromptOptions {
  /** "auto": completion where the one user turn has the clip, else conversation (completion would lose turns). */
  form?: Form | "auto";
  /** Template of the forms conversation and training. */
  style?: Style;
  /** "slow": white space beside an added token goes with it, as in the tokenizer of 2023. */
  whitespace?: "kept" | "slow";
}

export const VALLEY1_CHOICES: PromptChoices = {
  form: ["auto", "completion", "conversation", "training"],
  style: ["multimodal_video", "v1"],
  whitespace: ["kept", "slow"],
};

type PromptConfig = Pick<Valley1Config, "vision" | "maxContext" | "markers">;

/** The clip or picture of a conversation. */
interface Visual {
  kind: "image" | "video";
  frames: Raster[];
  path: "clip" | "frame";
}

/** No token of LLaMA's vocabulary is longer; text past this many characters a token needs no counting. */
const LONGEST_TOKEN = 64;

export class Valley1Prompt extends TokenPrompt implements PromptBuilder {
  readonly imageOptions = PLAIN_IMAGE;
  readonly #markers: MarkerIds;
  readonly #bos: number;
  readonly #patches: number;

  /** @throws Error where the tokenizer lacks a marker or the beginning-of-text token. */
  constructor(
    files: CheckpointFiles,
    private readonly config: PromptConfig,
    private readonly media: Media,
    private readonly options: Valley1PromptOptions = {},
  ) {
    const given = options.whitespace === "slow" ? stripping(files.tokenizer) : files.tokenizer;
    const markers = config.markers ?? markersIn(files.tokenizer);
    super(
      new Tokenizer(given, controlTokens(markers)),
    );
    this.#markers = markers;
    this.#bos = bosOf(files, this.tokenizer);
    this.#patches = patchesOfSide(config.vision) ** 2;
  }

  render(messages: ChatMessage[], options: PromptOptions): string {
    return this.#render(messages, options, visualOf(messages)).text;
  }

  async build(messages: ChatMessage[], options: PromptOptions): Promise<Prompt> {
    refuseLimits(options.limits);
    const visual = visualOf(messages);
    const { text, blocked } = this.#render(messages, options, visual);
    const { maxContext, vision } = this.config;
    const most = maxContext - 1;
    const tokens = text.length > most * LONGEST_TOKEN
      ? null
      : await this.tokenizer.encodeLong(text, blocked, most);
    if (tokens === null) {
      throw tooLong(maxContext);
    }
    const ids = Uint32Array.of(this.#bos, ...tokens);
    const none = { image: 0, video: 0, audio: 0 };
    const plain = { ids, positions: null, ropeDelta: 0, media: [], spans: [], mediaTokens: none };
    if (visual === null) return plain;
    const { kind, frames, path } = visual;
    const size = { patches: this.#patches, frames: frames.length };
    const feature: MediaFeature = await this.media.squareFeature(frames, {
      ...CLIP,
      kind,
      side: vision.side,
      patch: vision.patch,
      path,
      tokens: size.patches + size.frames,
    });
    const spans = splices(ids, this.#markers, size).map((splice) => ({ media: 0, ...splice }));
    const filled = spans.reduce((sum, { length }) => sum + length, 0);
    return { ...plain, media: [feature], spans, mediaTokens: { ...none, [kind]: filled } };
  }

  videoPlan(limits?: MediaLimits): VideoPlan {
    return videoPlan(limits);
  }

  #render(messages: ChatMessage[], { tools, tokenization }: PromptOptions, visual: Visual | null): Rendered {
    refuseUnknown(messages);
    if (tools.length > 0) {
      throw new PromptError(
        "This model has no tools: its prompts have no place for them",
        "tools_unsupported",
      );
    }
    const form = this.#formOf(messages);
    // CRITICAL: form completion says 8 frames of a picture too, which then keep their own embeddings.
    const frames = visual === null || (visual.kind === "image" && form === "completion")
      ? FRAMES
      : visual.frames.length;
    const markers = markersOf(this.#patches, frames);
    if (tokenization === "official") {
      const placed = messages.map((message) => placeOfficial(message));
      const template = this.#template(form, (text) => text.search(PLACEHOLDER) >= 0);
      const { text } = render(template, this.control, { messages: placed, tools: [] }, "official");
      return { text: text.replaceAll(PLACEHOLDER, markers), blocked: null };
    }
    const standIn = markFor(messages.map(({ content }) => content.map(textOf)));
    const placed = messages.map((message) => placeParts(message, standIn));
    const template = this.#template(form, (text) => text.includes(standIn));
    const rendered = render(template, this.control, { messages: placed, tools: [] }, "safe");
    return expandStandIn(rendered, standIn, markers);
  }

  #formOf(messages: ChatMessage[]): Form {
    const { form = "auto" } = this.options;
    if (form !== "auto") return form;
    const users = messages.filter(({ role }) => role === "user");
    const shown = users.filter(({ content }) => content.some(({ type }) => type !== "text"));
    return users.length === 1 && shown.length === 1 ? "completion" : "conversation";
  }

  #template(form: Form, hasPlaceholder: (text: string) => boolean): ChatTemplate {
    const { style = "multimodal_video" } = this.options;
    return ({ messages }) => {
      const turns = messages.map(({ role, content }): Turn => ({
        role: role as Turn["role"],
        text: content.map((part) => part.type === "text" ? part.text : "").join(""),
      }));
      if (form === "completion") return completion(turns, hasPlaceholder);
      if (form === "training") return training(turns, style);
      return conversation(turns, style, turns.at(-1)?.role === "user");
    };
  }
}

const textOf = (part: ChatMessage["content"][number]): string => part.type === "text" ? part.text : "";

/** Text as the caller wrote it; a clip without a place in it goes to the end, as in the web demo. */
function placeOfficial({ role, content }: ChatMessage): TemplateMessage {
  const text = content.map(textOf).join("");
  const shown = content.find(({ type }) => type !== "text");
  const absent = shown !== undefined && text.search(PLACEHOLDER) < 0;
  return { role, content: [{ type: "text", text: absent ? `${text}\n<${shown.type}>` : text }] };
}

/** Text is text; the clip stands where its part stands, on a line of its own. */
function placeParts({ role, content }: ChatMessage, standIn: string): TemplateMessage {
  const parts = content.flatMap((part, i): string[] => {
    if (part.type === "text") return [part.text];
    const before = content[i - 1], after = content[i + 1];
    return [before ? "\n" : "", standIn, after ? "\n" : ""];
  });
  return { role, content: [{ type: "text", text: parts.join("") }] };
}

function refuseUnknown(messages: ChatMessage[]): void {
  messages.forEach(({ role, content, toolCalls }, i) => {
    if (role === "tool" || toolCalls !== undefined) {
      throw new PromptError(
        "This model has no tools: its prompts have no place for them",
        "tools_unsupported",
      );
    }
    if (role === "system" && i > 0) {
      throw new PromptError("A system message must come first for this model", "unsupported_content");
    }
    for (const part of content) {
      if (part.type === "audio" || (part.type === "video" && part.video.audio !== null)) {
        throw new PromptError(
          "Valley (2023) does not hear: it takes text, one picture, or one video without sound",
          "unsupported_content",
        );
      }
      if (part.type !== "text" && role !== "user") {
        throw new PromptError(`A ${role} message takes text only, not ${part.type}`, "unsupported_content");
      }
    }
  });
}

/** Later turns speak of the same clip: there is one, or none. */
function visualOf(messages: ChatMessage[]): Visual | null {
  const shown = messages.flatMap(({ content }) =>
    content.flatMap((part): Visual[] => {
      if (part.type === "image") return [{ kind: "image", frames: [part.image], path: "clip" }];
      if (part.type !== "video") return [];
      const path = part.video.file === true ? "frame" : "clip"; // CRITICAL: resized in two ways
      return [{ kind: "video", frames: framesOf(part.video), path }];
    })
  );
  if (shown.length > 1) {
    throw new PromptError(
      `Valley (2023) takes one picture or video in a conversation, not ${shown.length}`,
      "too_many_images",
    );
  }
  return shown[0] ?? null;
}
