/** Strings of a length in EBNF. Counted characters stand as they are, without escapes. */

import type { StringLength } from "./spec.ts";

/** One character that stands in a JSON string as it is. */
const PLAIN = String.raw`[^"\\\x00-\x1f]`;

/**
 * States of one grammar times ids of the vocabulary: the library goes through the whole vocabulary for each counted
 * character, in some 0.5 µs an id.
 */
const MOST_WORK = 2_500_000;
/** Characters that are counted one by one where there are too many for that. */
const STEP = 4;

/** Words the lengths of one grammar: what takes a string's place, and the rules that stand behind it. */
export class StringLengths {
  /** Definitions that belong to the grammar. */
  readonly rules = new Map<string, string>();
  readonly #counted: boolean;

  constructor(lengths: readonly StringLength[], vocabulary: number) {
    const states = lengths.reduce((sum, { fewest, most }) => sum + Math.max(fewest, most ?? 0), 0);
    this.#counted = states * vocabulary <= MOST_WORK;
  }

  /** What comes after the fewest without a bound is `basic_string_sub`, the library's own rest of a string. */
  expression({ fewest, most }: StringLength): string {
    if (this.#counted) {
      return most === null
        ? `("\\"" ${PLAIN}{${fewest}} basic_string_sub)`
        : `("\\"" ${PLAIN}{${fewest},${most}} "\\"")`;
    }
    const rest = most === null ? "basic_string_sub" : `${this.#upTo(most - fewest)} "\\""`;
    return `("\\"" ${this.#exactly(fewest)} ${rest})`;
  }

  /** So many characters, by halves: few rules, which all strings share, at the price of more work for each token. */
  #exactly(count: number): string {
    const parts: string[] = [];
    for (let left = count; left > 0;) {
      const half = largestHalf(left);
      parts.push(half === null ? `${PLAIN}{${left}}` : this.#full(half));
      left -= half ?? left;
    }
    return parts.join(" ");
  }

  /** 4, 8, 16 … characters. */
  #full(count: number): string {
    return this.#rule(`valley_chars_${count}`, () => {
      if (count === STEP) return `${PLAIN}{${STEP}}`;
      const half = this.#full(count / 2);
      return `${half} ${half}`;
    });
  }

  /** At most so many characters; each number of them in one way only. */
  #upTo(count: number): string {
    return this.#rule(`valley_most_${count}`, () => {
      const half = largestHalf(count);
      if (half === null) return `${PLAIN}{0,${count}}`;
      return `${this.#full(half)} ${this.#upTo(count - half)} | ${this.#upTo(half - 1)}`;
    });
  }

  #rule(name: string, body: () => string): string {
    if (!this.rules.has(name)) {
      this.rules.set(name, ""); // its place
      this.rules.set(name, body());
    }
    return name;
  }
}

/** The largest of 4, 8, 16 … that is no more than `count`, or null. */
function largestHalf(count: number): number | null {
  if (count < STEP) return null;
  let half = STEP;
  while (half * 2 <= count) half *= 2;
  return half;
}
