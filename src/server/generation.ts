/** One choice of an answer: engine events → deltas, stop strings and counts. */

import type { GenerateParams, GenerationEvent } from "../engine/generation.ts";
import type { ModelInfo, Prompt, PromptBuilder } from "../families/family.ts";
import type { ChatRequest } from "./chat_request.ts";
import { type Delta, StreamRouter } from "./stream_router.ts";

/** The engine as the server sees it; EngineClient is one. */
export interface EnginePort {
  readonly state: "loading" | "ready" | "failed" | "closed";
  readonly info: ModelInfo | null;
  generate(prompt: Prompt, params: GenerateParams, signal: AbortSignal): AsyncIterable<GenerationEvent>;
}

export type FinishReason = "stop" | "length" | "tool_calls";

export interface ChoiceCounts {
  completionTokens: number;
  reasoningTokens: number;
  cachedTokens: number;
}

/** What a choice tells: deltas as they come, then its end. */
export type ChoiceNews =
  | { delta: Delta }
  | { finish: FinishReason; counts: ChoiceCounts };

/** Which caches and which place in the queue a request gets. */
export interface Caller {
  key: string;
  salt: string;
}

export function paramsOf(
  request: ChatRequest,
  choice: number,
  info: ModelInfo,
  caller: Caller,
): GenerateParams {
  return {
    sampling: { ...request.sampling, seed: (request.sampling.seed + choice) >>> 0 },
    maxTokens: request.maxTokens,
    minTokens: request.minTokens,
    stopIds: [...request.ignoreEos ? [] : info.eosIds, ...request.stopIds],
    key: caller.key,
    salt: request.cacheSalt === "" ? caller.salt : `${caller.salt}/${request.cacheSalt}`,
  };
}

/**
 * Reads the engine's events to the end of the choice. A stop string ends it early (the engine is told by leaving
 * the loop). Ends without a finish when the client left. Throws EngineError.
 */
export async function* readChoice(
  events: AsyncIterable<GenerationEvent>,
  request: ChatRequest,
  prompt: PromptBuilder,
): AsyncGenerator<ChoiceNews> {
  const router = new StreamRouter({
    tools: request.prompt.tools.length > 0,
    thinking: true,
    stop: request.stop,
  });
  const detokenizer = prompt.detokenizer();
  const counts: ChoiceCounts = { completionTokens: 0, reasoningTokens: 0, cachedTokens: 0 };
  let finish: FinishReason | null = null;
  for await (const event of events) {
    if (event.finish === "abort") return;
    counts.cachedTokens = event.cachedTokens;
    const deltas: Delta[] = [];
    for (const id of event.ids) {
      counts.completionTokens++;
      deltas.push(...router.push(detokenizer.push(id)));
      if (router.reasoning) counts.reasoningTokens++;
      if (router.stopped) break;
    }
    for (const delta of joined(deltas)) yield { delta };
    if (router.stopped) finish = "stop";
    else if (event.finish !== null) {
      if (event.stopId !== null) counts.completionTokens++;
      finish = event.finish;
    }
    if (finish !== null) break;
  }
  if (finish === null) return;
  for (const delta of joined([...router.push(detokenizer.end()), ...router.end()])) yield { delta };
  yield { finish: finish === "stop" && router.calls > 0 ? "tool_calls" : finish, counts };
}

/** What came together goes out together. */
function joined(deltas: Delta[]): Delta[] {
  const out: Delta[] = [];
  for (const delta of deltas) {
    const last = out.at(-1);
    if (last !== undefined && last.type !== "tool_call" && delta.type === last.type) {
      out[out.length - 1] = { type: last.type, text: last.text + delta.text };
    } else out.push(delta);
  }
  return out;
}
