/** What the scheduler is set to, and what it tells of a step. */

import type { Encoding } from "./memory.ts";
import type { Sequence } from "./sequence.ts";

export interface SchedulerOptions {
  maxWaiting: number;
  maxWaitingPerKey: number;
  /** Prompt tokens in a step that also decodes, so that decoding goes on evenly. */
  mixedPrefillTokens: number;
  prefixCache: boolean;
  /** Ids guessed at most by prompt lookup and checked in one step; 0: off. */
  speculate: number;
}

export const DEFAULT_SCHEDULER_OPTIONS: SchedulerOptions = {
  maxWaiting: 128,
  maxWaitingPerKey: 64,
  mixedPrefillTokens: 256,
  prefixCache: true,
  speculate: 0,
};

/** One sequence's part of a step. */
export interface PlanEntry {
  sequence: Sequence;
  start: number;
  count: number;
  /** The token to compute is the id drawn last in the slot. */
  fromSlot: boolean;
  samples: boolean;
  /** The first id that is drawn in this slot. */
  first: boolean;
  mediaRows: Int32Array | null;
  /** Ids that may be drawn; undefined: all. */
  mask: Uint32Array | undefined;
  /** Guessed ids behind the known one, each checked by a draw before it; empty: an ordinary step. */
  guess: number[];
}

export interface Plan {
  entries: PlanEntry[];
  encode: Encoding[];
  /** Some of it is prompt. */
  prefill: boolean;
}
