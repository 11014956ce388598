/** The engine as the server sees it; EngineClient is one. */

import type { EngineStats, GenerateParams, GenerationEvent } from "../engine/generation.ts";
import type { ModelInfo, Prompt } from "../families/family.ts";

export interface EnginePort {
  readonly state: "loading" | "ready" | "failed" | "closed";
  readonly info: ModelInfo | null;
  /** Counters; null if they can't be had now. */
  stats(): Promise<EngineStats | null>;
  generate(prompt: Prompt, params: GenerateParams, signal: AbortSignal): AsyncIterable<GenerationEvent>;
}
