/** Prompt side of plain text decoders: the checkpoint's own chat template (ChatML where it has none), no media. */
import {
  type AnswerTags,
  type ChatMessage,
  type ImageOptions,
  type Prompt,
  type PromptBuilder,
  PromptError,
  type PromptOptions,
  type VideoPlan,
} from "../family.ts";
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import { renderChatml } from "../../prompt/chatml.ts";
import type { Rendered } from "../../prompt/control_text.ts";
import { type ChatTemplate, render, type TemplatePart } from "../../prompt/template.ts";
import { Tokenizer } from "../../prompt/tokenizer.ts";
import type { TextConfig } from "./config.ts";
import { TokenPrompt, tooLong } from "../token_prompt.ts";

/** Qwen3's thoughts; models without them never write the tags. */
export const TEXT_TAGS: AnswerTags = { thought: ["<think>", "</think>"], answer: null };

export class TextPrompt extends TokenPrompt implements PromptBuilder {
  /** Never asked for: the server refuses media of a text model. */
  readonly imageOptions: ImageOptions = { applyOrientation: true, alpha: "white" };
  readonly #template: ChatTemplate;

  /** @throws Error where tokenizer.json is not understood */
  constructor(files: CheckpointFiles, private readonly config: TextConfig) {
    super(new Tokenizer(files.tokenizer));
    this.#template = files.template ?? renderChatml;
  }

  render(messages: ChatMessage[], options: PromptOptions): string {
    return this.#render(messages, options).text;
  }

  async build(messages: ChatMessage[], options: PromptOptions): Promise<Prompt> {
    const { text, blocked } = this.#render(messages, options);
    const { maxContext } = this.config;
    const ids = await this.tokenizer.encodeLong(text, blocked, maxContext);
    if (ids === null) {
      throw tooLong(maxContext);
    }
    const mediaTokens = { image: 0, video: 0, audio: 0 };
    return { ids, positions: null, ropeDelta: 0, media: [], spans: [], mediaTokens };
  }

  videoPlan(): VideoPlan {
    throw new PromptError("This model takes text only", "unsupported_media");
  }

  #render(messages: ChatMessage[], { tools, effort, tokenization, enableThinking }: PromptOptions): Rendered {
    if (effort !== null) {
      throw new PromptError(
        "This model has no reasoning effort",
        "reasoning_unsupported",
        "reasoning_effort",
      );
    }
    const input = {
      messages: messages.map(({ role, content, toolCalls }) => ({
        role,
        content: content.map((part): TemplatePart => {
          if (part.type === "text") return part;
          throw new PromptError("This model takes text only", "unsupported_media");
        }),
        toolCalls,
      })),
      tools: tools.map(({ raw }) => raw),
      enableThinking,
    };
    return render(this.#template, this.control, input, tokenization);
  }
}
