/**
 * Byte-pair merging of one very long stretch (a run of spaces or letters that the pre-tokenizer does not cut), in
 * slices, so that nothing else waits for it. The merges are the tokenizer's: lowest rank first, then leftmost.
 */

/** Rank of joining two symbols, undefined where they don't join. */
export type RankOf = (left: string, right: string) => number | undefined;

/** Steps between two looks at the clock. */
const STEPS = 512;

/** Symbols of `text` after all merges. `pause` is awaited now and then. */
export async function mergeRun(text: string, rankOf: RankOf, pause: () => Promise<void>): Promise<string[]> {
  const symbols = Array.from(text);
  const count = symbols.length;
  const next = Int32Array.from({ length: count }, (_, i) => i + 1 < count ? i + 1 : -1);
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
  /** Rank of the pair that begins at i as it is now; −1: none. An older heap entry says otherwise and is dropped. */
  const ranks = new Int32Array(count).fill(-1);
  const heap = new Heap();
  const look = (i: number): void => {
    const rank = i < 0 || next[i] < 0 ? undefined : rankOf(symbols[i], symbols[next[i]]);
    if (i >= 0) ranks[i] = rank ?? -1;
    if (rank !== undefined) heap.push(rank * PLACES + i);
  };
  for (let i = 0; i + 1 < count; i++) {
    look(i);
    if (i % STEPS === 0) await pause();
  }
  for (let step = 0; heap.size > 0; step++) {
    if (step % STEPS === 0) await pause();
    const key = heap.pop();
    const at = key % PLACES;
    if (ranks[at] !== (key - at) / PLACES) continue;
    const joined = next[at];
    symbols[at] += symbols[joined];
    ranks[joined] = -1;
    next[at] = next[joined];
    if (next[joined] >= 0) previous[next[joined]] = at;
    look(at), look(previous[at]);
  }
  const merged: string[] = [];
  for (let i = count > 0 ? 0 : -1; i >= 0; i = next[i]) merged.push(symbols[i]);
  return merged;
}

/** Heap keys are rank · PLACES + place: below 2^53 for 2^21 ranks. */
const PLACES = 2 ** 32;

/** A binary heap of numbers, smallest first. */
class Heap {
  readonly #keys: number[] = [];

  get size(): number {
    return this.#keys.length;
  }

  push(key: number): void {
    const keys = this.#keys;
    let at = keys.length;
    keys.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (keys[parent] <= key) break;
      keys[at] = keys[parent];
      at = parent;
    }
    keys[at] = key;
  }

  pop(): number {
    const keys = this.#keys;
    const top = keys[0], key = keys.pop()!;
    const size = keys.length;
    if (size === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= key) break;
      keys[at] = keys[child];
      at = child;
    }
    keys[at] = key;
    return top;
  }
}
