/** From a prompt to an answer: admission to the engine; its events → deltas, stop strings and counts. */

import type { GenerateParams, GenerationEvent, Score } from "../engine/generation.ts";
import type { AnswerEdges, AnswerTags, ModelInfo, Prompt, PromptBuilder } from "../families/family.ts";
import type { AppContext } from "./app_context.ts";
import { unavailable } from "./errors.ts";
import type { Caller, Exchange } from "./exchange.ts";
import { EdgedText } from "./edged_text.ts";
import type { Delta } from "./delta.ts";
import { StreamRouter } from "./stream_router.ts";
import type { McpStep } from "./mcp_step.ts";
import type { GenerationWishes } from "./wishes.ts";

export type FinishReason = "stop" | "length" | "tool_calls";

export interface ChoiceCounts {
  completionTokens: number;
  reasoningTokens: number;
  cachedTokens: number;
}

/** What a choice tells: deltas as they come, then its end. */
export type ChoiceNews =
  | { delta: Delta; scores: TokenScore[] }
  /** A call that the server makes itself. */
  | { mcp: McpStep; scores: TokenScore[] }
  | { finish: FinishReason; stopString: string | null; counts: ChoiceCounts; scores: TokenScore[] };

/** A token and how likely it was, where the request asked. */
export interface TokenScore extends Score {
  id: number;
}

/** What is looked for in the text. */
export interface Tags {
  tools: boolean;
  /** Tool calls go out as they are written. */
  pieces: boolean;
  answer: AnswerTags | null;
  edges: AnswerEdges | null;
  /** The first tool call ends the answer. */
  oneCall: boolean;
}

/** What the engine holds the answer to. */
export type AnswerLimits = Pick<GenerateParams, "grammar" | "thought">;

/** An answer under way. */
export interface Answer {
  choices: AsyncIterable<ChoiceNews>[];
  promptTokens: number;
  mediaTokens: Prompt["mediaTokens"];
  /** Ends it. */
  stop: () => void;
}

/**
 * Gives the prompt to the engine, once a choice. Throws ApiError or EngineError if it is not taken; then, and when
 * `signal` aborts, nothing of it is left in the engine. All choices must be read, or `stop` called.
 */
export function startAnswer(
  prompt: Prompt,
  wishes: GenerationWishes & AnswerLimits,
  tags: Tags,
  { engine, prompt: builder }: AppContext,
  exchange: Exchange,
  signal: AbortSignal,
): Answer {
  const { info } = engine;
  if (engine.state !== "ready" || info === null) throw unavailable("The model is being loaded", "loading");
  const left = new AbortController();
  const either = AbortSignal.any([signal, left.signal]);
  const promptTokens = prompt.ids.length, { mediaTokens } = prompt;
  exchange.note({ prompt_tokens: promptTokens });
  const choices: AsyncIterable<ChoiceNews>[] = [];
  try {
    for (let choice = 0; choice < wishes.choices; choice++) {
      const own = choice === wishes.choices - 1 ? prompt : structuredClone(prompt); // the engine keeps its arrays
      const events = engine.generate(own, paramsOf(wishes, choice, info, exchange.caller), either);
      choices.push(
        readChoice(events, { ...tags, stop: wishes.stop }, builder, choice === 0 ? exchange : null),
      );
    }
  } catch (error) {
    left.abort();
    throw error;
  }
  return { choices, promptTokens, mediaTokens, stop: () => left.abort() };
}

function paramsOf(
  wishes: GenerationWishes & AnswerLimits,
  choice: number,
  info: ModelInfo,
  caller: Caller,
): GenerateParams {
  return {
    sampling: { ...wishes.sampling, seed: (wishes.sampling.seed + choice) >>> 0 },
    maxTokens: wishes.maxTokens,
    minTokens: wishes.minTokens,
    stopIds: [...wishes.ignoreEos ? [] : info.eosIds, ...wishes.stopIds],
    ...(wishes.grammar === undefined ? {} : { grammar: wishes.grammar }),
    ...(wishes.thought === undefined ? {} : { thought: wishes.thought }),
    key: caller.key,
    ...(caller.background ? { background: true } : {}),
    salt: wishes.cacheSalt === "" ? caller.salt : `${caller.salt}/${wishes.cacheSalt}`,
  };
}

/**
 * Reads the engine's events to the end of the choice. A stop string ends it early (the engine is told by leaving
 * the loop). `exchange` hears when tokens come. Ends without a finish when the client left. Throws EngineError.
 */
async function* readChoice(
  events: AsyncIterable<GenerationEvent>,
  options: Tags & { stop: readonly string[] },
  prompt: PromptBuilder,
  exchange: Exchange | null,
): AsyncGenerator<ChoiceNews> {
  const router = new StreamRouter({ ...options, tags: options.answer });
  const words = prompt.detokenizer();
  const detokenizer = options.edges === null ? words : new EdgedText(words, options.edges);
  const ended = (): boolean =>
    router.stopped !== null || (options.oneCall && router.calls > 0) ||
    (detokenizer instanceof EdgedText && detokenizer.ended);
  const counts: ChoiceCounts = { completionTokens: 0, reasoningTokens: 0, cachedTokens: 0 };
  /** Of tokens whose text has not gone out. */
  const scores: TokenScore[] = [];
  let finish: FinishReason | null = null;
  for await (const event of events) {
    if (event.finish === "abort") return;
    counts.cachedTokens = event.cachedTokens;
    if (event.ids.length > 0) exchange?.tokens(event.ids.length, counts.completionTokens === 0);
    const deltas: Delta[] = [];
    for (const [index, id] of event.ids.entries()) {
      if (event.scores !== undefined) scores.push({ id, ...event.scores[index] });
      counts.completionTokens++;
      deltas.push(...router.push(detokenizer.push(id)));
      if (router.reasoning) counts.reasoningTokens++;
      if (ended()) break;
    }
    for (const delta of joined(deltas)) yield { delta, scores: scores.splice(0) };
    if (ended()) finish = "stop";
    else if (event.finish !== null) {
      if (event.stopId !== null) counts.completionTokens++;
      finish = event.finish;
    }
    if (finish !== null) break;
  }
  if (finish === null) return;
  const cut = options.oneCall && router.calls > 0; // what the last token held beyond the call
  for (
    const delta of cut ? [] : joined([...router.push(detokenizer.end()), ...router.end(finish === "length")])
  ) {
    yield { delta, scores: scores.splice(0) };
  }
  if (router.stopped !== null) finish = "stop"; // the held end completed a stop string
  yield {
    finish: finish === "stop" && router.calls > 0 ? "tool_calls" : finish,
    stopString: router.stopped,
    counts,
    scores,
  };
}

/** What came together goes out together. */
function joined(deltas: Delta[]): Delta[] {
  const out: Delta[] = [];
  for (const delta of deltas) {
    const last = out.at(-1);
    if (last !== undefined && "text" in last && "text" in delta && delta.type === last.type) {
      out[out.length - 1] = { type: last.type, text: last.text + delta.text };
    } else out.push(delta);
  }
  return out;
}
