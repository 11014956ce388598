/** The answer in OpenAI's words: one object, or chunks. */

import type { Answer, ChoiceCounts, ChoiceNews, FinishReason } from "./generation.ts";
import type { Delta } from "./stream_router.ts";

/** What all chunks of an answer share. */
export interface AnswerHead {
  id: string;
  created: number;
  model: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: {
    cached_tokens: number;
    image_tokens: number;
    video_tokens: number;
    audio_tokens: number;
  };
  completion_tokens_details: { reasoning_tokens: number };
}

export function usageOf(
  { promptTokens, mediaTokens }: Pick<Answer, "promptTokens" | "mediaTokens">,
  choices: readonly ChoiceCounts[],
): Usage {
  const sum = (field: keyof ChoiceCounts) => choices.reduce((total, counts) => total + counts[field], 0);
  const completionTokens = sum("completionTokens");
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: {
      cached_tokens: choices[0]?.cachedTokens ?? 0,
      image_tokens: mediaTokens.image,
      video_tokens: mediaTokens.video,
      audio_tokens: mediaTokens.audio,
    },
    completion_tokens_details: { reasoning_tokens: sum("reasoningTokens") },
  };
}

interface WireCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

/** One choice put together from its news. */
export class ChoiceMessage {
  content = "";
  reasoning = "";
  readonly calls: WireCall[] = [];
  finish: FinishReason | null = null;
  stopString: string | null = null;
  counts: ChoiceCounts = { completionTokens: 0, reasoningTokens: 0, cachedTokens: 0 };

  add(news: ChoiceNews): void {
    if ("finish" in news) {
      this.finish = news.finish;
      this.stopString = news.stopString;
      this.counts = news.counts;
    } else if (news.delta.type === "content") this.content += news.delta.text;
    else if (news.delta.type === "reasoning") this.reasoning += news.delta.text;
    else this.calls.push(wireCall(news.delta.call));
  }

  toJSON(index: number) {
    return {
      index,
      message: {
        role: "assistant",
        content: this.content === "" && this.calls.length > 0 ? null : this.content,
        refusal: null,
        ...(this.reasoning === "" ? {} : { reasoning: this.reasoning, reasoning_content: this.reasoning }),
        ...(this.calls.length === 0 ? {} : { tool_calls: this.calls }),
      },
      logprobs: null,
      finish_reason: this.finish,
    };
  }
}

export function completion(head: AnswerHead, choices: readonly ChoiceMessage[], usage: Usage) {
  return {
    id: head.id,
    object: "chat.completion",
    created: head.created,
    model: head.model,
    choices: choices.map((choice, index) => choice.toJSON(index)),
    usage,
  };
}

/** Chunks of one choice. */
export class ChoiceChunks {
  #calls = 0;

  constructor(readonly head: AnswerHead, readonly index: number, readonly withUsage: boolean) {}

  first(): unknown {
    return this.#chunk({ role: "assistant", content: "" }, null);
  }

  of(news: ChoiceNews): unknown {
    return "finish" in news ? this.#chunk({}, news.finish) : this.#chunk(this.#delta(news.delta), null);
  }

  #delta(delta: Delta): Record<string, unknown> {
    switch (delta.type) {
      case "content":
        return { content: delta.text };
      case "reasoning":
        return { reasoning: delta.text, reasoning_content: delta.text };
      case "tool_call":
        return { tool_calls: [{ index: this.#calls++, ...wireCall(delta.call) }] };
    }
  }

  #chunk(delta: Record<string, unknown>, finish: FinishReason | null): unknown {
    const choices = [{ index: this.index, delta, logprobs: null, finish_reason: finish }];
    return chunk(this.head, choices, this.withUsage ? null : undefined);
  }
}

/** `usage` undefined: the field is left out. */
export function chunk(head: AnswerHead, choices: unknown[], usage: Usage | null | undefined): unknown {
  return {
    id: head.id,
    object: "chat.completion.chunk",
    created: head.created,
    model: head.model,
    choices,
    ...(usage === undefined ? {} : { usage }),
  };
}

function wireCall({ name, arguments: text }: { name: string; arguments: string }): WireCall {
  return {
    id: `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`,
    type: "function",
    function: { name, arguments: text },
  };
}
