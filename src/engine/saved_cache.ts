/** The prefix cache and the media store → disk and back: what was computed before a restart is found after it. */

import type { Model } from "../families/family.ts";
import { type CacheIndex, CacheWriter, openCache, sha256 } from "./cache_file.ts";
import type { Memory } from "./memory.ts";
import type { CacheEntry } from "./cache_entry.ts";

/** Blocks read from the device at a time. */
const BATCH = 32;

export interface SavedCounts {
  blocks: number;
  media: number;
}

/**
 * Saves what the caches hold. The engine may go on meanwhile: the device copies in call order, so what is held when
 * a copy is ordered is what is saved.
 */
export async function saveCache(
  model: Model,
  memory: Memory,
  path: string,
  fingerprint: string,
): Promise<SavedCounts> {
  const writer = new CacheWriter(path, print(model, fingerprint));
  const counts = { blocks: 0, media: 0 };
  try {
    const places = new Map<string, number>();
    const entries = memory.cache.parentsFirst();
    for (let at = 0; at < entries.length; at += BATCH) {
      const held = entries.slice(at, at + BATCH).filter((entry) => memory.cache.holds(entry));
      const data = await model.readBlocks(Uint32Array.from(held, ({ block }) => block));
      held.forEach((entry, i) => {
        const parent = entry.parent === null ? -1 : places.get(entry.parent.key);
        if (parent === undefined) return; // its beginning was overwritten meanwhile
        const { ids, positions, media, salt } = entry;
        const positionList = positions === null ? null : Array.from(positions);
        writer.addBlock({ parent, salt, ids: Array.from(ids), positions: positionList, media }, data[i]);
        places.set(entry.key, counts.blocks++);
      });
    }
    for (const { key, row, tokens } of memory.media.held()) {
      if (memory.media.rowOf(key) !== row) continue; // overwritten meanwhile
      writer.addMedium({ key, tokens }, await model.readMedia(row, tokens));
      counts.media++;
    }
    writer.finish();
    return counts;
  } catch (error) {
    writer.discard();
    throw error;
  }
}

/** Fills empty caches from disk as far as they reach. What is damaged ends it; what came before is kept. */
export function restoreCache(model: Model, memory: Memory, path: string, fingerprint: string): SavedCounts {
  const counts = { blocks: 0, media: 0 };
  const saved = openCache(path, print(model, fingerprint));
  if (saved === null) return counts;
  try {
    if (restoreBlocks(model, memory, saved, counts)) restoreMedia(model, memory, saved, counts);
    return counts;
  } finally {
    saved.close();
  }
}

interface Saved {
  index: CacheIndex;
  read(bytes: number): Uint8Array | null;
}

/** False: the file is damaged, or the data of its media can't be reached. */
function restoreBlocks(model: Model, memory: Memory, { index, read }: Saved, counts: SavedCounts): boolean {
  const entries: (CacheEntry | null)[] = [];
  const taken: number[] = [];
  let whole = true;
  for (const { parent, salt, ids, positions, media, bytes, sha256: digest } of index.blocks) {
    const data = read(bytes);
    if (data === null || sha256(data) !== digest) {
      whole = false;
      break;
    }
    const before = parent < 0 ? null : entries[parent];
    const block = before === null && parent >= 0
      ? null
      : memory.blocks.empty > 0
      ? memory.blocks.allocate()
      : null;
    entries.push(null);
    if (block === null) continue;
    model.writeBlocks(Uint32Array.of(block), [data]);
    const content = {
      ids: Uint32Array.from(ids),
      positions: positions === null ? null : Float32Array.from(positions),
      media,
    };
    entries[entries.length - 1] = memory.cache.insert(before, content, salt, block);
    memory.blocks.keepContent(block);
    taken.push(block);
    counts.blocks++;
  }
  // Beginnings are let go last, so that they are overwritten last.
  for (const block of taken.reverse()) memory.blocks.release(block);
  return whole;
}

function restoreMedia(model: Model, memory: Memory, { index, read }: Saved, counts: SavedCounts): void {
  for (const { key, tokens, bytes, sha256: digest } of index.media) {
    const data = read(bytes);
    if (data === null || sha256(data) !== digest) return;
    const row = memory.media.insert(key, tokens);
    if (row === null) continue;
    model.writeMedia(row, tokens, data);
    counts.media++;
  }
}

/** Bytes fit the same model on the same device with blocks of the same form. */
function print({ info }: Model, fingerprint: string): string {
  return [fingerprint, info.family, info.device, info.blockSize, info.positionAxes, info.hiddenSize].join(
    "|",
  );
}
