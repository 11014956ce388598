/** The engine as the server sees it; EngineClient is one. */

import type { EngineStats, GenerateParams, GenerationEvent } from "../engine/generation.ts";
import type { GrammarSpec, Vocabulary } from "../engine/grammar/spec.ts";
import type { ModelInfo, Prompt } from "../families/family.ts";

export interface EnginePort {
  readonly state: "loading" | "ready" | "failed" | "closed";
  readonly info: ModelInfo | null;
  /** Counters; null if they can't be had now. */
  stats(): Promise<EngineStats | null>;
  /** Makes sure that a grammar can be used. Rejects with GrammarError or EngineError. */
  compile(spec: GrammarSpec, vocabulary: () => Promise<Vocabulary>): Promise<void>;
  /** Gives the engine the tokenizer, for requests that constrain their answers. */
  teach(vocabulary: () => Promise<Vocabulary>): Promise<void>;
  /** Throws EngineError if a request of this key would not be taken now. */
  checkRoom(key: string): void;
  generate(prompt: Prompt, params: GenerateParams, signal: AbortSignal): AsyncIterable<GenerationEvent>;
}
