/**
 * Prompt lookup: guesses the next ids of an answer from what came after the same three ids before, in prompt or answer.
 * Product texts repeat themselves; a guess costs one row more in a step and saves a step where it is right.
 */

const GRAM = 3;
/** Tokens without guesses after a wrong guess; doubled by each further one. */
const PATIENCE = 4;
const MOST_PATIENCE = 64;

export class PromptLookup {
  /** Three ids, hashed → the index behind their latest occurrence that has something behind it. */
  readonly #after = new Map<number, number>();
  #indexed = GRAM;
  #patience = PATIENCE;
  #pausedUntil = 0;

  /** At most `most` ids that may follow `ids`; none: no guess. */
  guess(ids: readonly number[], most: number): number[] {
    for (; this.#indexed < ids.length; this.#indexed++) {
      this.#after.set(hash(ids, this.#indexed), this.#indexed);
    }
    if (ids.length < this.#pausedUntil || ids.length < GRAM || most < 1) return [];
    const from = this.#after.get(hash(ids, ids.length));
    if (from === undefined) return [];
    for (let i = 1; i <= GRAM; i++) if (ids[from - i] !== ids[ids.length - i]) return [];
    return ids.slice(from, from + most);
  }

  /** Of a guess this many ids were right; the sequence has `length` ids now. */
  learn(right: number, length: number): void {
    if (right > 0) {
      this.#patience = PATIENCE;
      return;
    }
    this.#pausedUntil = length + this.#patience;
    this.#patience = Math.min(2 * this.#patience, MOST_PATIENCE);
  }
}

/** Of the GRAM ids before index `end`. */
function hash(ids: readonly number[], end: number): number {
  let value = 0;
  for (let i = end - GRAM; i < end; i++) value = Math.imul(value ^ ids[i], 0x9e3779b1) ^ (value >>> 15);
  return value;
}
