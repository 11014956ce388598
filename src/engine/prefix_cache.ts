/**
 * Which KV blocks hold which beginnings of prompts. A block is found by the hash of its parent's key, its ids,
 * its positions and the media that fill it; what the hash found is then compared in full, parents included, so
 * that a collision is a miss and never a leak. Entries are made only of blocks that the device has finished.
 */

import { createHash } from "node:crypto";
import type { BlockContent, CacheEntry } from "./cache_entry.ts";
import type { Sequence } from "./sequence.ts";

export class PrefixCache {
  readonly #byKey = new Map<string, CacheEntry>();
  readonly #byBlock = new Map<number, CacheEntry>();

  /** `hash`: replaced in tests, to force collisions. */
  constructor(
    readonly blockSize: number,
    readonly axes: number,
    readonly hash: (parts: (string | Uint8Array)[]) => string = sha256,
  ) {}

  get size(): number {
    return this.#byKey.size;
  }

  /** Entries for the longest known beginning; at least one token is left to compute. */
  match(sequence: Sequence): CacheEntry[] {
    const found: CacheEntry[] = [];
    const most = Math.floor((sequence.ids.length - 1) / this.blockSize);
    for (let index = 0; index < most; index++) {
      const content = this.#content(sequence, index);
      const parent = found.at(-1) ?? null;
      const entry = this.#byKey.get(this.#key(parent, content, sequence.params.salt));
      if (entry === undefined || !same(entry, parent, content, sequence.params.salt)) break;
      found.push(entry);
    }
    return found;
  }

  /**
   * Makes entries of the sequence's finished full blocks, and adds them to its chain. `keep` is told of each
   * block that now holds shared content.
   */
  commit(sequence: Sequence, keep: (block: number) => void): void {
    const full = Math.floor(Math.min(sequence.completed, sequence.ids.length) / this.blockSize);
    while (sequence.chain.length < full) {
      const index = sequence.chain.length;
      const content = this.#content(sequence, index);
      const parent = sequence.chain.at(-1) ?? null;
      const key = this.#key(parent, content, sequence.params.salt);
      const known = this.#byKey.get(key);
      const block = sequence.blocks[index];
      const entry: CacheEntry = { ...content, key, parent, salt: sequence.params.salt, block };
      // Somebody else's block may hold the same already: ours stays private, its chain goes on.
      sequence.chain.push(known !== undefined && same(known, parent, content, entry.salt) ? known : entry);
      if (known !== undefined) continue;
      this.#byKey.set(key, entry);
      this.#byBlock.set(block, entry);
      keep(block);
    }
  }

  /** Adds a block that was computed before a restart. */
  insert(parent: CacheEntry | null, content: BlockContent, salt: string, block: number): CacheEntry {
    const entry: CacheEntry = { ...content, key: this.#key(parent, content, salt), parent, salt, block };
    this.#byKey.set(entry.key, entry);
    this.#byBlock.set(block, entry);
    return entry;
  }

  holds(entry: CacheEntry): boolean {
    return this.#byKey.get(entry.key) === entry;
  }

  /** All entries whose beginnings are held too, each after its parent. */
  parentsFirst(): CacheEntry[] {
    const out: CacheEntry[] = [];
    const depths = new Map<string, number>();
    const depthOf = (entry: CacheEntry): number => {
      const known = depths.get(entry.key);
      if (known !== undefined) return known;
      const { parent } = entry;
      const above = parent === null
        ? 0
        : this.#byKey.has(parent.key)
        ? depthOf(this.#byKey.get(parent.key)!)
        : Infinity;
      depths.set(entry.key, above + 1);
      return above + 1;
    };
    for (const entry of this.#byKey.values()) if (depthOf(entry) < Infinity) out.push(entry);
    return out.sort((a, b) => depthOf(a) - depthOf(b));
  }

  /** The block's content is about to be overwritten. */
  evict(block: number): void {
    const entry = this.#byBlock.get(block);
    if (entry === undefined) return;
    this.#byBlock.delete(block);
    this.#byKey.delete(entry.key);
  }

  #key(parent: CacheEntry | null, { ids, positions, media }: BlockContent, salt: string): string {
    return this.hash([
      parent?.key ?? `root:${salt}`,
      new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength),
      positions === null
        ? "plain"
        : new Uint8Array(positions.buffer, positions.byteOffset, positions.byteLength),
      media,
    ]);
  }

  #content(sequence: Sequence, index: number): BlockContent {
    const start = index * this.blockSize, end = start + this.blockSize;
    let media = "";
    for (const span of sequence.spansWithin(start, end)) {
      media += `${sequence.prompt.media[span.media].digest}@${span.offset}+${span.length}>${
        span.start - start
      };`;
    }
    const plain = sequence.prompt.positions === null && sequence.prompt.ropeDelta === 0;
    return {
      ids: Uint32Array.from(sequence.ids.slice(start, end)),
      positions: plain ? null : sequence.positions(start, this.blockSize, this.axes),
      media,
    };
  }
}

function same(entry: CacheEntry, parent: CacheEntry | null, content: BlockContent, salt: string): boolean {
  return entry.salt === salt && entry.media === content.media && equal(entry.ids, content.ids) &&
    (entry.positions === null ? content.positions === null : equal(entry.positions, content.positions)) &&
    sameChain(entry.parent, parent);
}

function sameChain(a: CacheEntry | null, b: CacheEntry | null): boolean {
  while (a !== b) {
    if (a === null || b === null || a.media !== b.media || !equal(a.ids, b.ids)) return false;
    if (a.positions === null ? b.positions !== null : !equal(a.positions, b.positions)) return false;
    a = a.parent, b = b.parent;
  }
  return true;
}

function equal(a: ArrayLike<number>, b: ArrayLike<number> | null): boolean {
  if (b === null || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function sha256(parts: (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("base64");
}
