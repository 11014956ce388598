/** What sequences hold on the device: slots, KV blocks, rows of the media store. */

import type { MediaFeature, ModelInfo } from "../families/family.ts";
import { BlockPool } from "./block_pool.ts";
import { MediaStore } from "./media_store.ts";
import { PrefixCache } from "./prefix_cache.ts";
import type { Sequence } from "./sequence.ts";

/** A medium to encode before the step that reads it. */
export interface Encoding {
  feature: MediaFeature;
  row: number;
}

export class Memory {
  readonly blocks: BlockPool;
  readonly media: MediaStore;
  readonly cache: PrefixCache;
  readonly #freeSlots: number[] = [];

  /** `caching`: false leaves the prefix cache out. */
  constructor(readonly info: ModelInfo, readonly caching: boolean) {
    this.cache = new PrefixCache(info.blockSize, info.positionAxes);
    this.blocks = new BlockPool(info.numBlocks, (block) => this.cache.evict(block));
    this.media = new MediaStore(info.mediaRows);
    for (let slot = info.maxSequences - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
  }

  get freeSlots(): number {
    return this.#freeSlots.length;
  }

  /**
   * Gives a sequence a slot, and blocks for all that is known of it, those of a known beginning included. False
   * if there is no slot, or not `reserve` more blocks than that.
   */
  admit(sequence: Sequence, reserve: number): boolean {
    if (this.#freeSlots.length === 0) return false;
    const found = this.caching ? this.cache.match(sequence) : [];
    for (const { block } of found) this.blocks.retain(block);
    const needed = Math.ceil(sequence.ids.length / this.info.blockSize) - found.length;
    if (needed + reserve > this.blocks.free) {
      for (const { block } of found.toReversed()) this.blocks.release(block);
      return false;
    }
    sequence.blocks = found.map(({ block }) => block);
    for (let i = 0; i < needed; i++) sequence.blocks.push(this.blocks.allocate()!);
    sequence.chain = found;
    sequence.computed = sequence.completed = found.length * this.info.blockSize;
    sequence.slot = this.#freeSlots.pop()!;
    return true;
  }

  /** Blocks for the sequence's first `tokens` tokens. False: there are none left. */
  grow(sequence: Sequence, tokens: number): boolean {
    while (sequence.blocks.length * this.info.blockSize < tokens) {
      const block = this.blocks.allocate();
      if (block === null) return false;
      sequence.blocks.push(block);
    }
    return true;
  }

  /** The device has computed the sequence's first `completed` tokens: others may use them from now on. */
  commit(sequence: Sequence): void {
    if (this.caching) this.cache.commit(sequence, (block) => this.blocks.keepContent(block));
  }

  /** Takes everything back; last blocks first, so that beginnings of prompts stay in the cache longest. */
  release(sequence: Sequence): void {
    for (const block of sequence.blocks.toReversed()) this.blocks.release(block);
    sequence.blocks = [];
    if (sequence.slot >= 0) this.#freeSlots.push(sequence.slot);
    sequence.slot = -1;
  }

  /**
   * Rows of the media in tokens [start, start + count), orders for those that must be encoded, and how many of
   * the tokens can be computed now: the chunk ends before a medium that finds no room beside the step's others, and
   * before one that would be encoded after `mostFresh` others.
   */
  mediaRows(sequence: Sequence, start: number, count: number, mostFresh = Infinity) {
    const encode: Encoding[] = [];
    let rows: Int32Array | null = null;
    for (const span of sequence.spansWithin(start, start + count)) {
      const feature = sequence.prompt.media[span.media];
      const { salt } = sequence.params;
      const waits = encode.length >= mostFresh && !this.media.holds(feature, salt);
      const place = waits ? null : this.media.acquire(feature, salt);
      if (place === null) {
        const fits = span.start - start;
        return { encode, rows: rows?.slice(0, fits) ?? null, count: fits };
      }
      if (place.fresh) encode.push({ feature, row: place.row });
      rows ??= new Int32Array(count).fill(-1);
      for (let i = 0; i < span.length; i++) rows[span.start - start + i] = place.row + span.offset + i;
    }
    return { encode, rows, count };
  }
}
