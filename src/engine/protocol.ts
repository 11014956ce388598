/** Messages between the main thread and the engine's Worker. */

import type { ModelInfo, Prompt } from "../families/family.ts";
import type { EngineOptions } from "./engine.ts";
import type { GrammarError, GrammarSpec, Vocabulary } from "./grammar/spec.ts";
import type { SavedCounts } from "./saved_cache.ts";
import type { EngineErrorCode, EngineStats, GenerateParams, GenerationEvent } from "./generation.ts";

/** What the worker is to load; `load` of the worker's host understands it. */
export interface LoadRequest {
  engine: "gpu" | "fake";
  /** Folder of a model; "" for the fake. */
  folder: string;
  options: EngineOptions;
  /** Where the caches are kept over a restart, and what they must fit; null: nowhere. */
  saved: { path: string; fingerprint: string } | null;
  /** The family's own load options (dtype, device limits …), and the fake's timing. */
  model: Record<string, unknown>;
}

export type ToWorker =
  | { type: "load"; request: LoadRequest }
  | { type: "generate"; id: number; prompt: Prompt; params: GenerateParams }
  | { type: "vocabulary"; vocabulary: Vocabulary }
  | { type: "compile"; id: number; spec: GrammarSpec }
  | { type: "abort"; id: number }
  | { type: "stats"; id: number }
  | { type: "save"; id: number };

export type FromWorker =
  | { type: "ready"; info: ModelInfo; restored: SavedCounts }
  | { type: "load-failed"; message: string }
  | { type: "event"; id: number; event: GenerationEvent }
  | { type: "failed"; id: number; message: string; code: EngineErrorCode }
  | { type: "compiled"; id: number; problem: { message: string; code: GrammarError["code"] } | null }
  | { type: "stats"; id: number; stats: EngineStats }
  /** `problem`: why nothing was saved. */
  | { type: "saved"; id: number; counts: SavedCounts; problem: string | null }
  | { type: "lost"; reason: string };
