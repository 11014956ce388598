/** Anthropic's POST /v1/messages and /v1/messages/count_tokens. */

import { toChatBody } from "./anthropic_request.ts";
import { countSchema, messagesSchema } from "./anthropic_schema.ts";
import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import { parseChatRequest, parseSingleAnswer } from "./chat_request.ts";
import type { ChoiceMessage } from "./chat_response.ts";
import { answerChat, buildPrompt, nameIgnored } from "./conversation.ts";
import { type ApiError, renaming } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer, ChoiceNews } from "./generation.ts";
import { named } from "./sse.ts";
import { readWhole, streamAnswer, type Wording } from "./streaming.ts";
import { validated } from "./validation.ts";

type Json = Record<string, unknown>;

const NAMES = [["response_format.json_schema", "output_config.format"]] as const;

export async function messages(request: Request, context: AppContext, exchange: Exchange): Promise<Response> {
  const { signal } = request;
  const wire = validated(messagesSchema, await readJson(request, context.limits));
  const chat = renaming(NAMES, () => parseSingleAnswer(toChatBody(wire), context.served()));
  const answer = await answerChat(chat, context, exchange, signal);
  const head = { id: `msg_${crypto.randomUUID().replaceAll("-", "")}`, model: context.served().id };
  const response = wire.stream
    ? streamAnswer(answer, new MessageWording(head, answer), context, exchange)
    : await whole(head, answer, exchange);
  nameIgnored(response, chat.ignored, exchange);
  return response;
}

export async function countTokens(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request;
  const wire = validated(countSchema, await readJson(request, context.limits));
  const chat = parseChatRequest(toChatBody(wire), context.served());
  const { ids } = await buildPrompt(chat, context, signal);
  const response = Response.json({ input_tokens: ids.length });
  nameIgnored(response, chat.ignored, exchange);
  return response;
}

/** Anthropic's shape of an error, and its statuses' names. */
export function anthropicErrorBody({ status, body: { error: { message } } }: ApiError): Json {
  const types: Record<number, string> = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
  };
  return {
    type: "error",
    error: { type: types[status] ?? (status < 500 ? "invalid_request_error" : "api_error"), message },
  };
}

interface Head {
  id: string;
  model: string;
}

async function whole({ id, model }: Head, answer: Answer, exchange: Exchange): Promise<Response> {
  const choices = await readWhole(answer, exchange);
  if (choices === null) return new Response(null, { status: 499 });
  const [choice] = choices;
  const content: Json[] = [];
  if (choice.reasoning !== "") content.push({ type: "thinking", thinking: choice.reasoning, signature: "" });
  if (choice.content !== "") content.push({ type: "text", text: choice.content });
  for (const { id, function: { name, arguments: given } } of choice.calls) {
    content.push({ type: "tool_use", id: id.replace("call_", "toolu_"), name, input: inputOf(given) });
  }
  return Response.json({
    id,
    type: "message",
    role: "assistant",
    model,
    content,
    ...endOf(choice),
    usage: usageOf(answer, choice),
  });
}

/** Arguments as an object; a model that wrote something else gets it shown. */
function inputOf(given: string): unknown {
  try {
    const value = JSON.parse(given);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch { /* shown below */ }
  return { arguments: given };
}

function endOf({ finish, stopString }: ChoiceMessage): Json {
  const reason = finish === "length"
    ? "max_tokens"
    : finish === "tool_calls"
    ? "tool_use"
    : stopString === null
    ? "end_turn"
    : "stop_sequence";
  return { stop_reason: reason, stop_sequence: reason === "stop_sequence" ? stopString : null };
}

function usageOf({ promptTokens }: Answer, { counts }: ChoiceMessage): Json {
  return {
    input_tokens: promptTokens - counts.cachedTokens,
    output_tokens: counts.completionTokens,
    cache_read_input_tokens: counts.cachedTokens,
    cache_creation_input_tokens: 0,
  };
}

/** Blocks one after the other: each is started, grows, and is stopped. */
class MessageWording implements Wording {
  #index = -1;
  #open: "text" | "thinking" | "tool_use" | null = null;

  constructor(readonly head: Head, readonly answer: Answer) {}

  *start(): Iterable<string> {
    const { id, model } = this.head;
    const usage = {
      input_tokens: this.answer.promptTokens,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    };
    const message = {
      id,
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage,
    };
    yield event("message_start", { message });
  }

  *news(_index: number, news: ChoiceNews): Iterable<string> {
    if (!("delta" in news)) return;
    const { delta } = news;
    if (delta.type === "call") {
      yield* this.#close();
      const id = `toolu_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
      yield* this.#begin({ type: "tool_use", id, name: delta.name, input: {} });
      this.#open = "tool_use";
      return;
    }
    if (delta.type === "arguments") {
      yield this.#delta({ type: "input_json_delta", partial_json: delta.text });
      return;
    }
    if (delta.type === "call_end") return yield* this.#close();
    const kind = delta.type === "content" ? "text" : "thinking";
    if (this.#open !== kind) {
      yield* this.#close();
      yield* this.#begin(
        kind === "text" ? { type: kind, text: "" } : { type: kind, thinking: "", signature: "" },
      );
      this.#open = kind;
    }
    yield this.#delta(
      kind === "text"
        ? { type: "text_delta", text: delta.text }
        : { type: "thinking_delta", thinking: delta.text },
    );
  }

  *end([choice]: readonly ChoiceMessage[]): Iterable<string> {
    yield* this.#close();
    yield event("message_delta", { delta: endOf(choice), usage: usageOf(this.answer, choice) });
    yield event("message_stop", {});
  }

  *failure(error: ApiError): Iterable<string> {
    yield named("error", anthropicErrorBody(error));
  }

  *#begin(block: Json): Iterable<string> {
    yield event("content_block_start", { index: ++this.#index, content_block: block });
  }

  #delta(delta: Json): string {
    return event("content_block_delta", { index: this.#index, delta });
  }

  *#close(): Iterable<string> {
    if (this.#open !== null) yield event("content_block_stop", { index: this.#index });
    this.#open = null;
  }
}

function event(type: string, fields: Json): string {
  return named(type, { type, ...fields });
}
