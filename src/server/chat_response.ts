/** The answer in OpenAI's words: one object, or chunks. */

import type { Answer, ChoiceCounts, ChoiceNews, FinishReason, TokenScore } from "./generation.ts";
import type { ScoreWording } from "./logprobs.ts";
import type { Delta } from "./delta.ts";
import type { McpStep } from "./mcp_step.ts";

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
  /** Calls that the server made. */
  readonly mcp: McpStep[] = [];
  finish: FinishReason | null = null;
  stopString: string | null = null;
  counts: ChoiceCounts = { completionTokens: 0, reasoningTokens: 0, cachedTokens: 0 };
  readonly scores: TokenScore[] = [];

  add(news: ChoiceNews): void {
    this.scores.push(...news.scores);
    if ("finish" in news) {
      this.finish = news.finish;
      this.stopString = news.stopString;
      this.counts = news.counts;
    } else if ("mcp" in news) {
      if (news.mcp.result !== null) this.mcp.push(news.mcp);
    } else this.#grow(news.delta);
  }

  #grow(delta: Delta): void {
    switch (delta.type) {
      case "content":
        this.content += delta.text;
        break;
      case "reasoning":
        this.reasoning += delta.text;
        break;
      case "call":
        this.calls.push(begunCall(delta.name));
        break;
      case "arguments":
        this.calls.at(-1)!.function.arguments += delta.text;
    }
  }

  toJSON(index: number, scoresOf: ScoreWording) {
    return {
      index,
      message: {
        role: "assistant",
        content: this.content === "" && this.calls.length > 0 ? null : this.content,
        refusal: null,
        ...(this.reasoning === "" ? {} : { reasoning: this.reasoning, reasoning_content: this.reasoning }),
        ...(this.calls.length === 0 ? {} : { tool_calls: this.calls }),
        ...(this.mcp.length === 0 ? {} : { mcp_calls: this.mcp }),
      },
      logprobs: scoresOf(this.scores),
      finish_reason: this.finish,
    };
  }
}

export function completion(
  head: AnswerHead,
  choices: readonly ChoiceMessage[],
  usage: Usage,
  scoresOf: ScoreWording,
) {
  return {
    id: head.id,
    object: "chat.completion",
    created: head.created,
    model: head.model,
    choices: choices.map((choice, index) => choice.toJSON(index, scoresOf)),
    usage,
  };
}

/** Chunks of one choice. */
export class ChoiceChunks {
  /** Place of the last call among the choice's calls. */
  #call = -1;

  constructor(
    readonly head: AnswerHead,
    readonly index: number,
    readonly withUsage: boolean,
    readonly scoresOf: ScoreWording,
  ) {}

  first(): unknown {
    return this.#chunk({ role: "assistant", content: "" }, null, null);
  }

  /** None where there is nothing to tell. */
  of(news: ChoiceNews): unknown[] {
    const logprobs = news.scores.length === 0 ? null : this.scoresOf(news.scores);
    if ("mcp" in news) return [this.#chunk({ mcp_calls: [news.mcp] }, null, null)];
    if ("finish" in news) return [this.#chunk({}, logprobs, news.finish)];
    const delta = this.#delta(news.delta);
    return delta === null && logprobs === null ? [] : [this.#chunk(delta ?? {}, logprobs, null)];
  }

  #delta(delta: Delta): Record<string, unknown> | null {
    switch (delta.type) {
      case "content":
        return { content: delta.text };
      case "reasoning":
        return { reasoning: delta.text, reasoning_content: delta.text };
      case "call":
        return { tool_calls: [{ index: ++this.#call, ...begunCall(delta.name) }] };
      case "arguments":
        return { tool_calls: [{ index: this.#call, function: { arguments: delta.text } }] };
      case "call_end":
        return null;
    }
  }

  #chunk(delta: Record<string, unknown>, logprobs: unknown, finish: FinishReason | null): unknown {
    const choices = [{ index: this.index, delta, logprobs, finish_reason: finish }];
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

function begunCall(name: string): WireCall {
  return {
    id: `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`,
    type: "function",
    function: { name, arguments: "" },
  };
}
