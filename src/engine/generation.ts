/** What the engine is asked for, what it tells, and how it fails. */

import type { Sampling } from "../families/family.ts";
import type { GrammarSpec } from "./grammar/spec.ts";

export interface GenerateParams {
  sampling: Sampling;
  /** Tokens of the answer at most; the engine refuses what does not fit in the context. null: what fits. */
  maxTokens: number | null;
  /** Tokens before which no stop id ends the answer. */
  minTokens: number;
  /** Ids that end the answer: the family's own (unless the client ignores them) and the client's. */
  stopIds: number[];
  /** What the answer must look like; absent: anything. Its grammar was compiled before (`EngineClient.compile`). */
  grammar?: GrammarSpec;
  /** Ends a thought that is too long; absent: it may take what it needs. */
  thought?: ThoughtBudget;
  /** Who asks; waiting requests of different keys take turns. */
  key: string;
  /** It has its turn only while nobody else waits; its `key` asks for nothing else. */
  background?: boolean;
  /** Scope of the caches: requests with different salts never share KV blocks or media encodings. */
  salt: string;
}

export interface ThoughtBudget {
  /** Tokens of the answer after which the thought is closed, unless it has ended by itself. */
  tokens: number;
  /** Texts that begin and end a thought. */
  open: string;
  close: string;
  /** Ids that are then written in its place. */
  closeIds: number[];
}

/** `abort` is told to nobody but logs: the one who aborted has left. */
export type FinishReason = "stop" | "length" | "abort";

export type EngineErrorCode =
  /** The queue is full (for this key or at all). */
  | "full"
  /** It waited too long. */
  | "queue_timeout"
  /** Prompt and answer do not fit in the context. */
  | "too_long"
  /** One medium is larger than the media store. */
  | "media_too_large"
  /** The device or the engine's thread is gone; others may be served again soon. */
  | "device_lost"
  /** The engine is shutting down or not ready. */
  | "unavailable"
  | "internal";

export class EngineError extends Error {
  constructor(message: string, readonly code: EngineErrorCode) {
    super(message);
    this.name = "EngineError";
  }
}

/** How likely an id was, where the request asked. */
export interface Score {
  logprob: number;
  /** The likeliest ids, falling. */
  top: { id: number; logprob: number }[];
}

/** News of one request. `ids`: newly sampled, the one that ended the answer left out. */
export interface GenerationEvent {
  ids: number[];
  /** One an id, where the request asked for log-probabilities. */
  scores?: Score[];
  /** Prompt tokens that the prefix cache gave. */
  cachedTokens: number;
  finish: FinishReason | null;
  /** The id that ended the answer, or null. */
  stopId: number | null;
}

/** Counters that prove nothing is lost: at rest every `free` equals its total. */
export interface EngineStats {
  waiting: number;
  /** Tokens of those that wait, whatever the prefix cache may give of them. */
  waitingTokens: number;
  running: number;
  /** Finished or aborted, with steps still in flight. */
  draining: number;
  freeSlots: number;
  totalSlots: number;
  /** Not referenced by a sequence (empty or holding cached content). */
  freeBlocks: number;
  totalBlocks: number;
  /** Unreferenced blocks that hold reusable content. */
  cachedBlocks: number;
  blockSize: number;
  freeMediaRows: number;
  totalMediaRows: number;
  /** Media whose encodings are held. */
  cachedMedia: number;
  steps: number;
  promptTokens: number;
  cachedTokens: number;
  generatedTokens: number;
  preemptions: number;
  /** Ids guessed by prompt lookup, and those of them that were right. */
  guessedTokens: number;
  rightGuesses: number;
  mediaEncoded: number;
  mediaReused: number;
  /** Buffers and textures on the device, and their bytes. */
  deviceAllocations: number;
  deviceBytes: number;
}
