/** One request inside the engine. */

import type { MediaSpan, Prompt } from "../families/family.ts";
import type { GenerateParams } from "./generation.ts";
import type { Guide } from "./guide.ts";
import type { PromptLookup } from "./lookup.ts";
import type { CacheEntry } from "./cache_entry.ts";

export type SequenceState =
  | "waiting"
  | "running"
  /** Loses its place as soon as its steps in flight are read. */
  | "preempting"
  /** Ended; blocks and slot go back when its steps in flight are read. */
  | "ended";

export class Sequence {
  state: SequenceState = "waiting";
  /** Ids known to the host: the prompt's, then the answer's. */
  readonly ids: number[];
  readonly promptLength: number;
  readonly maxTokens: number;
  /** Tokens in the KV cache once all submitted steps have run. */
  computed = 0;
  /** Tokens in the KV cache by the steps that are known to have run. */
  completed = 0;
  /** Answer ids drawn once all submitted steps have run: at least those known. */
  sampled = 0;
  /** Steps submitted and not read. */
  inFlight = 0;
  slot = -1;
  /** The device holds this sequence's last id in its slot. */
  idInSlot = false;
  /** Guesses its next ids; null: never. */
  lookup: PromptLookup | null = null;
  /** A step that checks guessed ids is in flight. */
  checking = false;
  blocks: number[] = [];
  /** Tokens that the prefix cache gave at first admission. */
  cachedTokens = 0;
  admitted = false;
  /** What constrains the next id; null: nothing. */
  guide: Guide | null = null;
  /** Prefix-cache entries of the first blocks: found at admission or committed since. */
  chain: CacheEntry[] = [];
  readonly #spans: MediaSpan[];

  constructor(
    readonly id: number,
    readonly prompt: Prompt,
    readonly params: GenerateParams,
    maxTokens: number,
    /** Order of arrival. */
    readonly arrival: number,
    /** Time of arrival, ms. */
    readonly since: number,
  ) {
    this.ids = Array.from(prompt.ids);
    this.promptLength = prompt.ids.length;
    this.maxTokens = maxTokens;
    this.#spans = [...prompt.spans].sort((a, b) => a.start - b.start);
  }

  /** Tokens known or drawn. */
  get length(): number {
    return this.promptLength + this.sampled;
  }

  /** Tokens not yet in the cache. */
  get remaining(): number {
    return this.length - this.computed;
  }

  /** Only the id drawn last is missing in the cache; it is in the slot, or the host knows it. */
  get decoding(): boolean {
    return this.remaining === 1 && (this.idInSlot || (this.sampled > 0 && this.ids.length === this.length));
  }

  /** Nothing more is to be drawn. */
  get exhausted(): boolean {
    return this.sampled >= this.maxTokens;
  }

  /** The next id may be drawn: whatever constrains it is known. */
  get guided(): boolean {
    return this.guide?.ready(this.sampled, () => this.ids.slice(this.promptLength)) ?? true;
  }

  /** Rotary positions [axes, count] of tokens [start, start + count). */
  positions(start: number, count: number, axes: number): Float32Array {
    const { positions, ropeDelta } = this.prompt;
    const out = new Float32Array(axes * count);
    for (let axis = 0; axis < axes; axis++) {
      for (let i = 0; i < count; i++) {
        const at = start + i;
        out[axis * count + i] = at >= this.promptLength
          ? at + ropeDelta
          : positions === null
          ? at
          : positions[axis * this.promptLength + at];
      }
    }
    return out;
  }

  /** Runs of media tokens within [start, end), cut to it, in order. */
  *spansWithin(start: number, end: number): Generator<MediaSpan> {
    for (const span of this.#spans) {
      if (span.start >= end) return;
      const from = Math.max(span.start, start), to = Math.min(span.start + span.length, end);
      if (from < to) {
        yield { media: span.media, start: from, length: to - from, offset: span.offset + from - span.start };
      }
    }
  }

  /** Gives up place and cache content: everything known is to be computed again. */
  forget(): void {
    this.computed = this.completed = 0;
    this.sampled = this.ids.length - this.promptLength;
    this.idInSlot = false;
    this.blocks = [];
    this.chain = [];
    this.slot = -1;
  }
}

/** Most media-store rows that must lie there together: media whose token runs interleave are needed at once. */
export function mostRowsTogether(prompt: Prompt): number {
  const ranges = prompt.media.map((medium, index) => {
    const spans = prompt.spans.filter((span) => span.media === index);
    return {
      from: Math.min(...spans.map((span) => span.start)),
      to: Math.max(...spans.map((span) => span.start + span.length)),
      tokens: medium.tokens,
    };
  }).filter((range) => range.from < range.to).sort((a, b) => a.from - b.from);
  let most = 0, end = -1, together = 0;
  for (const { from, to, tokens } of ranges) {
    together = from < end ? together + tokens : tokens;
    end = Math.max(end, to);
    most = Math.max(most, together);
  }
  return most;
}
