/**
 * Requests that wait for a place. Keys take turns by what they were served so far (a virtual token counter); a
 * key that was away starts level with the least served of those present. Within a key, first come first served.
 * Who lost a place comes before those who never had one. What is done in the background waits until nobody else does.
 */

import type { Sequence } from "./sequence.ts";

export class WaitingQueue {
  readonly #byKey = new Map<string, Sequence[]>();
  /** In order of arrival; they count in no limit. */
  readonly #preempted: Sequence[] = [];
  readonly #served = new Map<string, number>();
  #size = 0;
  /** What the key served least had when it was last its turn: where newcomers start. */
  #level = 0;

  get size(): number {
    return this.#size;
  }

  /** They had a place and lost it. */
  get preempted(): readonly Sequence[] {
    return this.#preempted;
  }

  countOf(key: string): number {
    return this.#byKey.get(key)?.length ?? 0;
  }

  push(sequence: Sequence): void {
    const { key } = sequence.params;
    const same = this.#byKey.get(key);
    if (same !== undefined) same.push(sequence);
    else {
      this.#byKey.set(key, [sequence]);
      this.#served.set(key, Math.max(this.#served.get(key) ?? 0, this.#level));
    }
    this.#size++;
  }

  /** Takes back one that lost its place. */
  putBack(sequence: Sequence): void {
    this.#preempted.push(sequence);
    this.#preempted.sort((a, b) => a.arrival - b.arrival);
  }

  /** Whose turn it is, or null. It stays in the queue. */
  next(): Sequence | null {
    const urgent = this.#preempted.find(({ params }) => !params.background);
    if (urgent !== undefined) return urgent;
    const waiting = this.#nextWaiting(), [back] = this.#preempted;
    return back !== undefined && (waiting === null || waiting.params.background) ? back : waiting;
  }

  #nextWaiting(): Sequence | null {
    let best: Sequence | null = null, least = Infinity;
    const keys = [...this.#byKey], urgent = keys.filter(([, [first]]) => !first.params.background);
    for (const [key, [first]] of urgent.length > 0 ? urgent : keys) {
      const served = this.#served.get(key)!;
      if (served < least || (served === least && first.arrival < best!.arrival)) best = first, least = served;
    }
    if (best !== null) this.#level = Math.max(this.#level, least);
    return best;
  }

  remove(sequence: Sequence): void {
    const { key } = sequence.params;
    const same = this.#byKey.get(key) ?? [], at = same.indexOf(sequence);
    if (at < 0) {
      const back = this.#preempted.indexOf(sequence);
      if (back >= 0) this.#preempted.splice(back, 1);
      return;
    }
    same.splice(at, 1);
    if (same.length === 0) this.#byKey.delete(key);
    this.#size--;
  }

  /** Tokens computed for a key. */
  charge(key: string, tokens: number): void {
    this.#served.set(key, Math.max(this.#served.get(key) ?? 0, this.#level) + tokens);
    // Keys that are level with newcomers need no memory of their own.
    if (this.#served.size > 1024) {
      for (const [known, served] of this.#served) {
        if (served <= this.#level && !this.#byKey.has(known)) this.#served.delete(known);
      }
    }
  }

  *[Symbol.iterator](): Generator<Sequence> {
    for (const same of this.#byKey.values()) yield* same;
  }
}
