/** POST /v1/chat/completions: parse, prompt, admit, answer. */

import type { EngineError } from "../engine/generation.ts";
import type { Prompt } from "../families/family.ts";
import type { AppContext } from "./app_context.ts";
import type { Exchange } from "./exchange.ts";
import { readJson } from "./body.ts";
import { type ChatRequest, parseChatRequest } from "./chat_request.ts";
import { type AnswerHead, ChoiceChunks, ChoiceMessage, chunk, completion, usageOf } from "./chat_response.ts";
import { readMessages } from "./content.ts";
import { toApiError, unavailable } from "./errors.ts";
import { type ChoiceNews, paramsOf, readChoice } from "./generation.ts";
import { merge } from "./merge.ts";
import { sseResponse } from "./sse.ts";

/** A request that the engine has taken. */
interface Admitted {
  request: ChatRequest;
  head: AnswerHead;
  choices: AsyncIterable<ChoiceNews>[];
  promptTokens: number;
  mediaTokens: Prompt["mediaTokens"];
  stop: () => void;
}

/** Throws ApiError, PromptError or EngineError before anything is answered. */
export async function chatCompletions(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request; // looked at at once: made later, it would miss a client that has left
  if (context.closing() === "now") throw unavailable("The server is shutting down", "draining");
  const body = await readJson(request, context.limits);
  const chat = parseChatRequest(body, context.served());
  const admitted = await admit(chat, context, exchange, signal);
  const headers = chat.ignored.length === 0 ? {} : { "x-valley-ignored": ignoredHeader(chat.ignored) };
  const response = chat.stream ? streamed(admitted, context, exchange) : await whole(admitted, exchange);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

async function admit(
  request: ChatRequest,
  context: AppContext,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<Admitted> {
  const { engine, prompt: builder, limits, decoder } = context;
  const { info } = engine;
  if (engine.state !== "ready" || info === null) throw unavailable("The model is being loaded", "loading");
  const messages = await readMessages(request.messages, {
    wishes: request.media,
    modalities: context.served().card.modalities,
    prompt: builder,
    decoder,
    limits,
    signal,
  });
  const prompt = await builder.build(messages, request.prompt);
  const left = new AbortController();
  const either = AbortSignal.any([signal, left.signal]);
  const promptTokens = prompt.ids.length, { mediaTokens } = prompt;
  exchange.note({ prompt_tokens: promptTokens });
  const choices: AsyncIterable<ChoiceNews>[] = [];
  try {
    for (let choice = 0; choice < request.choices; choice++) {
      const own = choice === request.choices - 1 ? prompt : structuredClone(prompt); // the engine keeps its arrays
      const events = engine.generate(own, paramsOf(request, choice, info, exchange.caller), either);
      choices.push(readChoice(events, request, builder));
    }
  } catch (error) {
    left.abort();
    for (const choice of choices) void drain(choice);
    throw error;
  }
  const head = {
    id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1000),
    model: context.served().id,
  };
  return { request, head, choices, promptTokens, mediaTokens, stop: () => left.abort() };
}

async function whole(
  { head, choices, promptTokens, mediaTokens, stop }: Admitted,
  exchange: Exchange,
): Promise<Response> {
  const messages = choices.map(() => new ChoiceMessage());
  try {
    await Promise.all(choices.map(async (choice, index) => {
      for await (const news of choice) messages[index].add(news);
    }));
  } finally {
    stop();
  }
  const usage = usageOf(promptTokens, mediaTokens, messages.map(({ counts }) => counts));
  exchange.note({
    completion_tokens: usage.completion_tokens,
    cached_tokens: usage.prompt_tokens_details.cached_tokens,
  });
  // A choice without an end: the client left, and nobody reads this.
  if (messages.some(({ finish }) => finish === null)) return new Response(null, { status: 499 });
  exchange.note({ finish: messages[0].finish });
  return Response.json(completion(head, messages, usage));
}

function streamed(admitted: Admitted, { limits }: AppContext, exchange: Exchange): Response {
  exchange.streaming = true;
  const progress = { completed: false };
  return sseResponse(chunksOf(admitted, exchange, progress), {
    pingSeconds: limits.pingSeconds,
    left: admitted.stop,
    over: () => exchange.end(progress.completed),
  });
}

async function* chunksOf(
  admitted: Admitted,
  exchange: Exchange,
  progress: { completed: boolean },
): AsyncGenerator<string> {
  const { request: { includeUsage }, head, choices, promptTokens, mediaTokens, stop } = admitted;
  const chunks = choices.map((_, index) => new ChoiceChunks(head, index, includeUsage));
  const counts = choices.map(() => new ChoiceMessage().counts);
  let ended = 0;
  try {
    for (const choice of chunks) yield choice.first();
    for await (const [index, news] of merge(choices)) {
      if ("finish" in news) {
        counts[index] = news.counts;
        exchange.note({ finish: news.finish });
        ended++;
      }
      yield chunks[index].of(news);
    }
    const usage = usageOf(promptTokens, mediaTokens, counts);
    exchange.note({
      completion_tokens: usage.completion_tokens,
      cached_tokens: usage.prompt_tokens_details.cached_tokens,
    });
    if (ended < choices.length) return; // the client left
    if (includeUsage) yield chunk(head, [], usage);
    progress.completed = true;
    yield "[DONE]";
  } catch (error) {
    const failure = toApiError(error as EngineError, exchange.report);
    exchange.note({ error: failure.code });
    progress.completed = true;
    yield JSON.stringify(failure.body);
  } finally {
    stop();
  }
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of events);
  } catch { /* it was to end */ }
}

/** Names of fields in a header: printable, and not without end. */
function ignoredHeader(fields: readonly string[]): string {
  return fields.slice(0, 32).map((field) => field.replace(/[^\w.-]/g, "?").slice(0, 64)).join(", ");
}
