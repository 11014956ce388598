/** Strings of a length, and runs of one character, in EBNF. Counted characters stand as they are, without escapes. */

import type { CharacterRun, StringLength, StringRuns } from "./spec.ts";

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
  /** What is counted, each with its own rules. */
  readonly #units: string[] = [];

  constructor(strings: readonly (StringLength | StringRuns)[], vocabulary: number) {
    const runs = strings.flatMap((string) => "runs" in string ? string.runs : [string]);
    const states = runs.reduce((sum, { fewest, most }) => sum + Math.max(fewest, most ?? 0), 0);
    this.#counted = states * vocabulary <= MOST_WORK;
  }

  expression(string: StringLength | StringRuns): string {
    if ("runs" in string) return `("\\"" ${string.runs.map((run) => this.#run(run)).join(" ")} "\\"")`;
    const { fewest, most } = string;
    if (most !== null) return `("\\"" ${this.#run({ unit: PLAIN, fewest, most })} "\\"")`;
    // What comes after the fewest without a bound is the library's own rest of a string.
    return `("\\"" ${this.#run({ unit: PLAIN, fewest, most: fewest })} basic_string_sub)`;
  }

  #run({ unit, fewest, most }: CharacterRun): string {
    if (this.#counted && most !== null) return `${unit}{${fewest},${most}}`;
    const rest = most === null ? `${unit}*` : this.#upTo(most - fewest, unit);
    return `${this.#exactly(fewest, unit)} ${rest}`;
  }

  /** So many characters, by halves: few rules, which all strings share, at the price of more work for each token. */
  #exactly(count: number, unit: string): string {
    const parts: string[] = [];
    for (let left = count; left > 0;) {
      const half = this.#counted ? null : largestHalf(left);
      parts.push(half === null ? `${unit}{${left}}` : this.#full(half, unit));
      left -= half ?? left;
    }
    return parts.join(" ");
  }

  /** 4, 8, 16 … characters. */
  #full(count: number, unit: string): string {
    return this.#rule("chars", count, unit, () => {
      if (count === STEP) return `${unit}{${STEP}}`;
      const half = this.#full(count / 2, unit);
      return `${half} ${half}`;
    });
  }

  /** At most so many characters; each number of them in one way only. */
  #upTo(count: number, unit: string): string {
    if (count === 0) return "";
    return this.#rule("most", count, unit, () => {
      const half = largestHalf(count);
      if (half === null) return `${unit}{0,${count}}`;
      return `${this.#full(half, unit)} ${this.#upTo(count - half, unit)} | ${this.#upTo(half - 1, unit)}`;
    });
  }

  #rule(kind: string, count: number, unit: string, body: () => string): string {
    if (!this.#units.includes(unit)) this.#units.push(unit);
    const name = `valley_${kind}_${this.#units.indexOf(unit)}_${count}`;
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
