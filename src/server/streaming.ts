/** What all routes share once an answer is under way: reading it whole, or sending it as it comes. */

import type { AppContext } from "./app_context.ts";
import { ChoiceMessage } from "./chat_response.ts";
import { type ApiError, toApiError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer, ChoiceNews } from "./generation.ts";
import { merge } from "./merge.ts";
import { sseResponse } from "./sse.ts";

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

/** How a route words its stream; each piece is the text of one event. */
export interface Wording {
  start(): Iterable<string>;
  news(index: number, news: ChoiceNews): Iterable<string>;
  /** All choices have ended. */
  end(choices: readonly ChoiceMessage[]): Iterable<string>;
  failure(error: ApiError): Iterable<string>;
}

/** The answer as server-sent events. */
export function streamAnswer(
  answer: Answer,
  wording: Wording,
  { limits }: AppContext,
  exchange: Exchange,
): Response {
  exchange.streaming = true;
  const progress = { completed: false };
  return sseResponse(eventsOf(answer, wording, exchange, progress), {
    pingSeconds: limits.pingSeconds,
    left: answer.stop,
    over: () => exchange.end(progress.completed),
  });
}

async function* eventsOf(
  answer: Answer,
  wording: Wording,
  exchange: Exchange,
  progress: { completed: boolean },
): AsyncGenerator<string> {
  const choices = answer.choices.map(() => new ChoiceMessage());
  try {
    yield* wording.start();
    for await (const [index, news] of merge(answer.choices)) {
      choices[index].add(news);
      yield* wording.news(index, news);
    }
    noteUsage(exchange, choices);
    if (choices.some(({ finish }) => finish === null)) return; // the client left
    progress.completed = true;
    yield* wording.end(choices);
  } catch (error) {
    const failure = toApiError(error, exchange.report);
    exchange.note({ error: failure.code });
    progress.completed = true;
    yield* wording.failure(failure);
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
