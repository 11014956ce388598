/** POST /v1/chat/completions: parse, prompt, admit, answer. */

import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import { parseChatRequest } from "./chat_request.ts";
import { type AnswerHead, ChoiceChunks, ChoiceMessage, chunk, completion, usageOf } from "./chat_response.ts";
import { answerChat, nameIgnored } from "./conversation.ts";
import { toApiError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer } from "./generation.ts";
import { merge } from "./merge.ts";
import { sseResponse } from "./sse.ts";

/** Throws ApiError, PromptError or EngineError before anything is answered. */
export async function chatCompletions(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request; // looked at at once: made later, it would miss a client that has left
  const chat = parseChatRequest(await readJson(request, context.limits), context.served());
  const answer = await answerChat(chat, context, exchange, signal);
  const head = {
    id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1000),
    model: context.served().id,
  };
  const response = chat.stream
    ? streamed(head, answer, chat.includeUsage, context, exchange)
    : await whole(head, answer, exchange);
  nameIgnored(response, chat.ignored);
  return response;
}

async function whole(head: AnswerHead, answer: Answer, exchange: Exchange): Promise<Response> {
  const choices = await readWhole(answer, exchange);
  if (choices === null) return new Response(null, { status: 499 });
  const usage = usageOf(answer, choices.map(({ counts }) => counts));
  return Response.json(completion(head, choices, usage));
}

/** All choices to their ends; null: the client left, and nobody reads an answer. Throws EngineError. */
export async function readWhole(answer: Answer, exchange: Exchange): Promise<ChoiceMessage[] | null> {
  const choices = answer.choices.map(() => new ChoiceMessage());
  try {
    await Promise.all(answer.choices.map(async (choice, index) => {
      for await (const news of choice) choices[index].add(news);
    }));
  } finally {
    answer.stop();
  }
  noteUsage(exchange, choices);
  return choices.every(({ finish }) => finish !== null) ? choices : null;
}

function streamed(
  head: AnswerHead,
  answer: Answer,
  includeUsage: boolean,
  { limits }: AppContext,
  exchange: Exchange,
): Response {
  exchange.streaming = true;
  const progress = { completed: false };
  return sseResponse(chunksOf(head, answer, includeUsage, exchange, progress), {
    pingSeconds: limits.pingSeconds,
    left: answer.stop,
    over: () => exchange.end(progress.completed),
  });
}

async function* chunksOf(
  head: AnswerHead,
  answer: Answer,
  includeUsage: boolean,
  exchange: Exchange,
  progress: { completed: boolean },
): AsyncGenerator<string> {
  const chunks = answer.choices.map((_, index) => new ChoiceChunks(head, index, includeUsage));
  const choices = answer.choices.map(() => new ChoiceMessage());
  try {
    for (const choice of chunks) yield choice.first();
    for await (const [index, news] of merge(answer.choices)) {
      choices[index].add(news);
      yield chunks[index].of(news);
    }
    noteUsage(exchange, choices);
    if (choices.some(({ finish }) => finish === null)) return; // the client left
    if (includeUsage) yield chunk(head, [], usageOf(answer, choices.map(({ counts }) => counts)));
    progress.completed = true;
    yield "[DONE]";
  } catch (error) {
    const failure = toApiError(error, exchange.report);
    exchange.note({ error: failure.code });
    progress.completed = true;
    yield JSON.stringify(failure.body);
  } finally {
    answer.stop();
  }
}

function noteUsage(exchange: Exchange, choices: readonly ChoiceMessage[]): void {
  exchange.note({
    finish: choices[0].finish,
    completion_tokens: choices.reduce((sum, { counts }) => sum + counts.completionTokens, 0),
    cached_tokens: choices[0].counts.cachedTokens,
  });
}
