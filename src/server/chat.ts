/** POST /v1/chat/completions: parse, prompt, admit, answer. */

import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import { parseChatRequest } from "./chat_request.ts";
import { type AnswerHead, ChoiceChunks, chunk, completion, usageOf } from "./chat_response.ts";
import { answerChat, nameIgnored } from "./conversation.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer } from "./generation.ts";
import { chatScores, NO_SCORES, type ScoreWording } from "./logprobs.ts";
import { data, DONE } from "./sse.ts";
import { answerInRounds, mayLoop } from "./tool_loop.ts";
import { readWhole, streamAnswer, type Wording } from "./streaming.ts";

/** Throws ApiError, PromptError or EngineError before anything is answered. */
export async function chatCompletions(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request; // looked at at once: made later, it would miss a client that has left
  const chat = parseChatRequest(await readJson(request, context.limits, exchange.body), context.served());
  const { mcp } = context;
  const answer = mcp !== undefined && mayLoop(chat)
    ? await answerInRounds(chat, mcp, context, exchange, signal)
    : await answerChat(chat, context, exchange, signal);
  const head = {
    id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1000),
    model: context.served().id,
  };
  const { prompt: builder } = context;
  const scoresOf = chat.wishes.sampling.logprobs === undefined
    ? NO_SCORES
    : chatScores((id) => builder.tokenBytes(id));
  const response = chat.stream
    ? streamAnswer(answer, wordingOf(head, answer, chat.includeUsage, scoresOf), context, exchange)
    : await whole(head, answer, exchange, scoresOf);
  nameIgnored(response, chat.ignored, exchange);
  return response;
}

async function whole(
  head: AnswerHead,
  answer: Answer,
  exchange: Exchange,
  scoresOf: ScoreWording,
): Promise<Response> {
  const choices = await readWhole(answer, exchange);
  if (choices === null) return new Response(null, { status: 499 });
  const usage = usageOf(answer, choices.map(({ counts }) => counts));
  return Response.json(completion(head, choices, usage, scoresOf));
}

function wordingOf(head: AnswerHead, answer: Answer, includeUsage: boolean, scoresOf: ScoreWording): Wording {
  const chunks = answer.choices.map((_, index) => new ChoiceChunks(head, index, includeUsage, scoresOf));
  return {
    *start() {
      for (const choice of chunks) yield data(choice.first());
    },
    *news(index, news) {
      yield* chunks[index].of(news).map(data);
    },
    *end(choices) {
      if (includeUsage) yield data(chunk(head, [], usageOf(answer, choices.map(({ counts }) => counts))));
      yield DONE;
    },
    failure: (error) => [data(error.body)],
  };
}
