/** Routing policies: which replica gets a request. All see the replicas' loads as a router counts them. */

import type { Request } from "./trace.ts";

/** `loads[r]`: requests on replica r, running and waiting. Returns r. */
export type Policy = (request: Request, loads: Int32Array) => number;

export const POLICIES: Record<string, (replicas: number) => Policy> = {
  "round robin": (replicas) => {
    let next = 0;
    return () => next++ % replicas;
  },
  "least loaded": () => (_, loads) => leastLoaded(loads),
  "prefix hash": (replicas) => ({ chain }) => hashOf(chain[1].id) % replicas,
  "prefix, bounded load": prefixAware,
};

/** A replica may have so many times the mean load, and so many requests more, before its prefixes count no longer. */
const BOUND = { times: 1.25, more: 2 };

/**
 * What smg's cache_aware and llm-d's prefix scorer do: the replicas that were sent the longest prefix of this
 * request, of them the least loaded; if that one is over the bound, the least loaded of all, which then has it too.
 * Remembers at most 64 replicas a prefix; the system prompt, which all have, attracts nobody.
 */
function prefixAware(replicas: number): Policy {
  const holders = new Map<string, number[]>();
  let placed = 0;
  return ({ chain: [, ...chain] }, loads) => {
    let total = 0;
    for (const load of loads) total += load;
    const bound = BOUND.times * total / replicas + BOUND.more;
    let best = -1;
    for (let i = chain.length - 1; i >= 0 && best < 0; i--) {
      for (const r of holders.get(chain[i].id) ?? []) {
        if (loads[r] < bound && (best < 0 || loads[r] < loads[best])) best = r;
      }
    }
    if (best < 0) best = leastLoaded(loads, placed++ % replicas);
    for (const { id } of chain) {
      const known = holders.get(id);
      if (!known) holders.set(id, [best]);
      else if (!known.includes(best)) {
        known.push(best);
        if (known.length > 64) known.shift();
      }
    }
    return best;
  };
}

/** The least loaded replica, ties to the first at or after `from`. */
function leastLoaded(loads: Int32Array, from = 0): number {
  let best = from;
  for (let i = 0, r = from; i < loads.length; i++, r = r + 1 === loads.length ? 0 : r + 1) {
    if (loads[r] < loads[best]) best = r;
  }
  return best;
}

/** FNV-1a with a final mix. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
