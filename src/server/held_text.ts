/** Looks for marks (tags, stop strings) in text that comes in pieces, holding back what may begin one. */

export interface Found {
  /** Text before the mark, or text in which no mark can begin any more. */
  text: string;
  /** The mark found, or null. */
  mark: string | null;
}

export class HeldText {
  #held = "";

  /** Adds a piece; `take` then gives what is certain. */
  push(piece: string): void {
    this.#held += piece;
  }

  /** What comes before the first of `marks`, the mark removed; without one, all that can't begin one. */
  take(marks: readonly string[]): Found {
    let at = -1, mark: string | null = null;
    for (const candidate of marks) {
      const found = this.#held.indexOf(candidate);
      if (found >= 0 && (at < 0 || found < at)) at = found, mark = candidate;
    }
    if (mark !== null) {
      const text = this.#held.slice(0, at);
      this.#held = this.#held.slice(at + mark.length);
      return { text, mark };
    }
    const keep = longestBeginning(this.#held, marks);
    const text = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(text.length);
    return { text, mark: null };
  }

  /** Drops white space at the beginning; tells whether more than that is held. */
  skipSpace(): boolean {
    this.#held = this.#held.trimStart();
    return this.#held !== "";
  }

  /** All that is left. */
  rest(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** What is held now, left in place. */
  get held(): string {
    return this.#held;
  }
}

/** Length of the longest end of `text` that begins one of `marks`. */
export function longestBeginning(text: string, marks: readonly string[]): number {
  let longest = 0;
  for (const mark of marks) {
    for (let length = Math.min(mark.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(mark.slice(0, length))) longest = length;
    }
  }
  return longest;
}
