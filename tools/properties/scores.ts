/** How near the log-probabilities of an answer's steps are to those of the same answer cold. */

import type { Score } from "../../src/engine/generation.ts";

/** Most that may lie between two, as the error's square over the square of what is compared. */
export const MAX_NMSE = 1e-9;

export class ScoreCounts {
  /** Steps whose ids and log-probabilities have the same bits. */
  same = 0;
  /** All others: largest error of one step. */
  other = 0;
  worst = 0;

  /** @returns what is wrong, or null */
  add(given: readonly Score[], expected: readonly Score[], closeness: "same bits" | "near"): string | null {
    if (given.length !== expected.length) {
      return `${given.length} log-probabilities instead of ${expected.length}`;
    }
    for (const [step, score] of given.entries()) {
      const a = valuesOf(score), b = valuesOf(expected[step]);
      if (a.length === b.length && a.every((value, i) => value === b[i])) {
        this.same++;
        continue;
      }
      this.other++;
      const error = nmse(score, expected[step]);
      this.worst = Math.max(this.worst, error);
      if (closeness === "same bits" || !(error < MAX_NMSE)) {
        return `log-probabilities of id ${step}: NMSE ${error.toPrecision(3)}`;
      }
    }
    return null;
  }

  get share(): number {
    return this.same / (this.same + this.other);
  }
}

/** Ids beside values: which are the likeliest belongs to what is compared. */
function valuesOf({ logprob, top }: Score): number[] {
  return [logprob, ...top.flatMap((one) => [one.id, one.logprob])];
}

/** Over the ids that both name (ties at the end of the list may name others). */
function nmse(given: Score, expected: Score): number {
  const known = new Map(expected.top.map(({ id, logprob }) => [id, logprob]));
  let error = (given.logprob - expected.logprob) ** 2, size = expected.logprob ** 2;
  for (const { id, logprob } of given.top) {
    const other = known.get(id);
    if (other === undefined) continue;
    error += (logprob - other) ** 2;
    size += other ** 2;
  }
  return error / size;
}
