/** Replicas with slots, a queue and a prefix cache each; one pass over a trace. */

import type { Policy } from "./policies.ts";
import type { Request } from "./trace.ts";

/** One replica. Rates are those of one of its slots while all are busy. */
export interface Replica {
  /** Requests at a time. */
  slots: number;
  /** Prompt tokens a second and slot that are not in the cache. */
  prefillRate: number;
  /** Seconds a token of output. */
  tokenSeconds: number;
  /** Prefix cache: tokens kept, least recently used first out. */
  cacheTokens: number;
}

export interface Outcome {
  /** Prompt tokens found in the cache, of all. */
  hitRate: number;
  /** Mean seconds in the queue. */
  queued: number;
  /** Seconds from arrival to the last token. */
  p50: number;
  p99: number;
  /** Most requests on one replica at a time. */
  deepest: number;
  /** The busiest replica's requests by the mean. */
  imbalance: number;
  finished: number;
  /** Tokens in the fullest cache. */
  fullestCache: number;
}

/** Seconds that a request keeps a slot, with so many tokens of its prompt cached. */
export function serviceSeconds(request: Request, cached: number, replica: Replica): number {
  const prompt = request.chain.reduce((sum, block) => sum + block.tokens, 0);
  return (prompt - cached) / replica.prefillRate + request.output * replica.tokenSeconds;
}

/** A queue is first in, first out; a request stays on its replica. The cache is looked up when it is routed. */
export function simulate(trace: Request[], policy: Policy, replicas: number, replica: Replica): Outcome {
  const loads = new Int32Array(replicas);
  const given = new Int32Array(replicas);
  const free = Array.from({ length: replicas }, () => new Float64Array(replica.slots));
  const caches = Array.from({ length: replicas }, () => new PrefixCache(replica.cacheTokens));
  const departures = new Heap();
  const latencies = new Float64Array(trace.length);
  let hit = 0, asked = 0, queued = 0, deepest = 0, finished = 0;
  trace.forEach((request, i) => {
    for (; departures.top() <= request.arrival; finished++) loads[departures.pop()]--;
    const r = policy(request, loads);
    const slots = free[r];
    let slot = 0;
    for (let s = 1; s < slots.length; s++) if (slots[s] < slots[slot]) slot = s;
    const cached = caches[r].take(request);
    const start = Math.max(request.arrival, slots[slot]);
    slots[slot] = start + serviceSeconds(request, cached, replica);
    departures.push(slots[slot], r);
    given[r]++;
    deepest = Math.max(deepest, ++loads[r]);
    latencies[i] = slots[slot] - request.arrival;
    queued += start - request.arrival;
    hit += cached;
    asked += request.chain.reduce((sum, block) => sum + block.tokens, 0);
  });
  for (; departures.top() < Infinity; finished++) loads[departures.pop()]--;
  latencies.sort();
  return {
    hitRate: hit / asked,
    queued: queued / trace.length,
    p50: latencies[Math.floor(trace.length * 0.5)],
    p99: latencies[Math.floor(trace.length * 0.99)],
    deepest,
    imbalance: given.reduce((most, n) => Math.max(most, n), 0) * replicas / trace.length,
    finished: loads.every((load) => load === 0) ? finished : -1,
    fullestCache: caches.reduce((most, cache) => Math.max(most, cache.tokens), 0),
  };
}

/** Least recently used blocks go first; of one chain the deepest block goes first. */
class PrefixCache {
  tokens = 0;
  readonly #blocks = new Map<string, number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Tokens of the longest cached prefix; afterwards the whole chain is in the cache, as far as it fits. */
  take({ chain }: Request): number {
    let cached = 0, unbroken = true;
    for (const { id, tokens } of chain) {
      unbroken &&= this.#blocks.has(id);
      if (unbroken) cached += tokens;
    }
    for (const { id, tokens } of chain.toReversed()) {
      if (!this.#blocks.delete(id)) this.tokens += tokens;
      this.#blocks.set(id, tokens);
    }
    for (const [id, tokens] of this.#blocks) {
      if (this.tokens <= this.#limit) break;
      this.#blocks.delete(id);
      this.tokens -= tokens;
    }
    return cached;
  }
}

/** A binary heap of (time, replica). */
class Heap {
  readonly #items: [number, number][] = [];

  top(): number {
    return this.#items[0]?.[0] ?? Infinity;
  }

  push(time: number, replica: number): void {
    const items = this.#items;
    let i = items.push([time, replica]) - 1;
    for (let up = (i - 1) >> 1; i > 0 && items[up][0] > items[i][0]; i = up, up = (i - 1) >> 1) {
      [items[up], items[i]] = [items[i], items[up]];
    }
  }

  /** Takes the earliest and returns its replica. */
  pop(): number {
    const items = this.#items;
    const [, replica] = items[0];
    const last = items.pop()!;
    if (items.length > 0) items[0] = last;
    for (let i = 0;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < items.length && items[child][0] < items[least][0]) least = child;
      }
      if (least === i) return replica;
      [items[i], items[least]] = [items[least], items[i]];
      i = least;
    }
  }
}
