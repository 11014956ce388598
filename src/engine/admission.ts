/** What can never run is refused at once: on the main thread, before an answer is begun, and again in the engine. */

import type { ModelInfo, Prompt } from "../families/family.ts";
import { EngineError, type GenerateParams } from "./generation.ts";
import { mostRowsTogether } from "./sequence.ts";

/** Longest sequence, prompt and answer, that the device can hold. */
export function contextOf(info: ModelInfo): number {
  return Math.min(info.maxContext, info.numBlocks * info.blockSize);
}

/** Tokens that the answer may have. Throws EngineError if prompt and answer can't fit. */
export function admissible(prompt: Prompt, params: GenerateParams, info: ModelInfo): number {
  const length = prompt.ids.length, context = contextOf(info), room = context - length;
  const maxTokens = params.maxTokens ?? room;
  if (length === 0) throw new EngineError("Cannot generate: the prompt is empty", "internal");
  if (room < 1 || maxTokens > room) {
    const answer = params.maxTokens === null ? "" : ` and the answer may have ${params.maxTokens}`;
    throw new EngineError(
      `The context holds ${context} tokens; the prompt has ${length}${answer}`,
      "too_long",
    );
  }
  const rows = mostRowsTogether(prompt);
  if (rows > info.mediaRows) {
    throw new EngineError(
      `A medium has ${rows} tokens; the server holds ${info.mediaRows}`,
      "media_too_large",
    );
  }
  return maxTokens;
}
