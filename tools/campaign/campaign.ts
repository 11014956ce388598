/** What a campaign is, and helpers that several share. */

export { random as randomFrom } from "../random.ts";

export interface Outcome {
  /** What was done, with its numbers. */
  did: string;
  /** What came of it. */
  figures: string;
  /** Targets that were missed; none: it passed. */
  missed: string[];
}

/** What the campaign needs is not on this machine; the message says how to get it. */
export class Skipped extends Error {}

export interface Campaign {
  /** Of the issue or of the reliability plan. */
  id: string;
  target: string;
  /** `scale` 1: the published size. */
  run(scale: number): Promise<Outcome>;
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Value below which the share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

/** Runs `work` on all items, so many at a time. */
export async function each<T>(
  items: Iterable<T>,
  together: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  await Promise.all(Array.from({ length: together }, async () => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value);
  }));
}

/** Counts by name. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string | number): void {
    this.#counts.set(String(name), this.of(name) + 1);
  }

  of(name: string | number): number {
    return this.#counts.get(String(name)) ?? 0;
  }

  /** For `Outcome.missed`: all of it as one line; nothing where nothing was counted. */
  get list(): string[] {
    return this.#counts.size === 0 ? [] : [`${this}`];
  }

  toString(): string {
    return [...this.#counts].sort(([a], [b]) => a < b ? -1 : 1).map(([name, count]) => `${name}: ${count}`)
      .join(", ");
  }
}
