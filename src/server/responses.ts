/** OpenAI's POST /v1/responses, stateless. */

import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import { parseSingleAnswer } from "./chat_request.ts";
import type { ChoiceMessage } from "./chat_response.ts";
import { answerChat, nameIgnored } from "./conversation.ts";
import { type ApiError, renaming } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer, ChoiceNews } from "./generation.ts";
import { callItem, type CallParts, endOf, messageItem, partOf, reasoningItem } from "./response_items.ts";
import { toChatBody } from "./responses_request.ts";
import { responsesSchema, type WireResponses } from "./responses_schema.ts";
import { named } from "./sse.ts";
import { readWhole, streamAnswer, type Wording } from "./streaming.ts";
import { validated } from "./validation.ts";

type Json = Record<string, unknown>;

const NAMES = [["response_format.json_schema", "text.format"], ["response_format", "text.format"]] as const;

export async function responses(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request;
  const wire = validated(responsesSchema, await readJson(request, context.limits, exchange.body));
  const chat = {
    ...renaming(NAMES, () => parseSingleAnswer(toChatBody(wire), context.served())),
    truncate: wire.truncation === "auto",
  };
  const answer = await answerChat(chat, context, exchange, signal);
  const wording = new ResponseWording(wire, context.served().id, answer);
  if (wire.stream) {
    const response = streamAnswer(answer, wording, context, exchange);
    nameIgnored(response, chat.ignored, exchange);
    return response;
  }
  const choices = await readWhole(answer, exchange);
  if (choices === null) return new Response(null, { status: 499 });
  const response = Response.json(wording.whole(choices[0]));
  nameIgnored(response, chat.ignored, exchange);
  return response;
}

const newId = (prefix: string) => `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`;

/** An item of the output while it grows; `text`: a call's arguments. */
type OpenItem =
  | { type: "message" | "reasoning"; id: string; text: string }
  | CallParts & { type: "function_call" };

/** Items one after the other; every event has a number. */
class ResponseWording implements Wording {
  readonly #id = newId("resp");
  readonly #created = Math.floor(Date.now() / 1000);
  readonly #output: Json[] = [];
  #number = 0;
  #open: OpenItem | null = null;

  constructor(readonly wire: WireResponses, readonly model: string, readonly answer: Answer) {}

  /** The finished response of an answer that was not streamed. */
  whole(choice: ChoiceMessage): Json {
    const { reasoning, content, calls } = choice;
    const items: ((status: string) => Json)[] = [];
    if (reasoning !== "") items.push((status) => reasoningItem(newId("rs"), reasoning, status));
    if (content !== "") items.push((status) => messageItem(newId("msg"), content, status));
    for (const { id, function: { name, arguments: text } } of calls) {
      items.push((status) => callItem({ id: newId("fc"), callId: id, name, text }, status));
    }
    items.forEach((make, i) => this.#output.push(make(i === items.length - 1 ? endOf(choice) : "completed")));
    return this.#finished(choice);
  }

  *start(): Iterable<string> {
    const response = this.#response("in_progress", null, null);
    yield this.#event("response.created", { response });
    yield this.#event("response.in_progress", { response });
  }

  *news(_index: number, news: ChoiceNews): Iterable<string> {
    if (!("delta" in news)) return;
    const { delta } = news;
    if (delta.type === "call") {
      yield* this.#close();
      return yield this.#beginCall(delta.name);
    }
    if (delta.type === "call_end") return yield* this.#close();
    if (delta.type === "arguments") {
      this.#open!.text += delta.text;
      const { item_id, output_index } = this.#place();
      return yield this.#event("response.function_call_arguments.delta", {
        item_id,
        output_index,
        delta: delta.text,
      });
    }
    const type = delta.type === "content" ? "message" : "reasoning";
    if (this.#open?.type !== type) {
      yield* this.#close();
      yield* this.#begin(type);
    }
    this.#open!.text += delta.text;
    const kind = type === "message" ? "output_text" : "reasoning_text";
    yield this.#event(`response.${kind}.delta`, {
      ...this.#place(),
      delta: delta.text,
      ...(type === "message" ? { logprobs: [] } : {}),
    });
  }

  *end([choice]: readonly ChoiceMessage[]): Iterable<string> {
    // A call that is still open was cut.
    yield* this.#close(this.#open?.type === "function_call" ? "incomplete" : endOf(choice));
    const response = this.#finished(choice);
    yield this.#event(`response.${response.status}`, { response });
  }

  *failure({ message, code }: ApiError): Iterable<string> {
    const response = this.#response("failed", null, null);
    yield this.#event("response.failed", {
      response: { ...response, error: { code: code ?? "server_error", message } },
    });
  }

  *#begin(type: "message" | "reasoning"): Iterable<string> {
    this.#open = { type, id: newId(type === "message" ? "msg" : "rs"), text: "" };
    const { id } = this.#open;
    const item = type === "message"
      ? { id, type, status: "in_progress", role: "assistant", content: [] }
      : { id, type, status: "in_progress", summary: [], content: [] };
    yield this.#event("response.output_item.added", { output_index: this.#output.length, item });
    yield this.#event("response.content_part.added", { ...this.#place(), part: partOf(type, "") });
  }

  #beginCall(name: string): string {
    const call = { type: "function_call" as const, id: newId("fc"), text: "", callId: newId("call"), name };
    this.#open = call;
    return this.#event("response.output_item.added", {
      output_index: this.#output.length,
      item: callItem(call, "in_progress"),
    });
  }

  *#close(status = "completed"): Iterable<string> {
    if (this.#open === null) return;
    const item = this.#open.type === "function_call"
      ? yield* this.#closeCall(this.#open, status)
      : yield* this.#closeText(this.#open.type, this.#open, status);
    yield this.#event("response.output_item.done", { output_index: this.#output.length, item });
    this.#output.push(item);
    this.#open = null;
  }

  *#closeCall(call: CallParts, status: string): Generator<string, Json> {
    yield this.#event("response.function_call_arguments.done", {
      item_id: call.id,
      output_index: this.#output.length,
      name: call.name,
      arguments: call.text,
    });
    return callItem(call, status);
  }

  *#closeText(
    type: "message" | "reasoning",
    { id, text }: { id: string; text: string },
    status: string,
  ): Generator<string, Json> {
    const kind = type === "message" ? "output_text" : "reasoning_text";
    yield this.#event(`response.${kind}.done`, {
      ...this.#place(),
      text,
      ...(type === "message" ? { logprobs: [] } : {}),
    });
    yield this.#event("response.content_part.done", { ...this.#place(), part: partOf(type, text) });
    return type === "message" ? messageItem(id, text, status) : reasoningItem(id, text, status);
  }

  #place(): Json {
    return { item_id: this.#open!.id, output_index: this.#output.length, content_index: 0 };
  }

  #event(type: string, fields: Json): string {
    return named(type, { type, sequence_number: this.#number++, ...fields });
  }

  #finished({ finish, counts }: ChoiceMessage): Json {
    const { promptTokens } = this.answer;
    const usage = {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: counts.cachedTokens },
      output_tokens: counts.completionTokens,
      output_tokens_details: { reasoning_tokens: counts.reasoningTokens },
      total_tokens: promptTokens + counts.completionTokens,
    };
    return finish === "length"
      ? this.#response("incomplete", { reason: "max_output_tokens" }, usage)
      : this.#response("completed", null, usage);
  }

  #response(status: string, incomplete: Json | null, usage: Json | null): Json {
    const { wire } = this;
    return {
      id: this.#id,
      object: "response",
      created_at: this.#created,
      status,
      error: null,
      incomplete_details: incomplete,
      instructions: wire.instructions ?? null,
      max_output_tokens: wire.max_output_tokens ?? null,
      model: this.model,
      output: [...this.#output],
      parallel_tool_calls: wire.parallel_tool_calls ?? true,
      previous_response_id: null,
      reasoning: { effort: wire.reasoning?.effort ?? null, summary: null },
      store: false,
      temperature: wire.temperature ?? null,
      text: { format: wire.text?.format ?? { type: "text" } },
      tool_choice: wire.tool_choice ?? "auto",
      tools: wire.tools ?? [],
      top_p: wire.top_p ?? null,
      truncation: wire.truncation ?? "disabled",
      usage,
      metadata: wire.metadata ?? {},
    };
  }
}
