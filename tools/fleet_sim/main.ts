/** `deno task fleet:sim [--seed N] [--load F]`: routing policies on a trace of listing moderation, 1 to 1,000 replicas. */

import { parseArgs } from "node:util";
import { POLICIES } from "./policies.ts";
import { type Replica, simulate } from "./simulate.ts";
import { makeTrace } from "./trace.ts";

/** Assumed, not measured: see deploy/README.md. */
const REPLICA: Replica = { slots: 8, prefillRate: 1000, tokenSeconds: 0.02, cacheTokens: 40_000 };
/** Mean seconds of a request whose system prompt and rules are cached: the unit of `--load`. */
const WARM_SECONDS = 0.9 + 60 * REPLICA.tokenSeconds;
const CATEGORIES = 500;

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, load: { type: "string", default: "0.75" } },
});
const seed = Number(values.seed), load = Number(values.load);
if (!Number.isInteger(seed) || !(load > 0 && load < 1)) {
  console.error("fleet:sim: --seed wants an integer, --load a fraction between 0 and 1");
  Deno.exit(2);
}
console.log(`seed ${seed}, load ${load} of what warm caches could serve, ${CATEGORIES} categories`);
console.log("replicas  policy                 hit rate  queued s   p50 s   p99 s  deepest  busiest/mean");
for (const replicas of [1, 2, 10, 100, 1000]) {
  const rate = load * replicas * REPLICA.slots / WARM_SECONDS;
  const requests = Math.max(4000, 60 * replicas);
  const trace = makeTrace({ seed, requests, rate, categories: CATEGORIES });
  for (const [name, make] of Object.entries(POLICIES)) {
    const o = simulate(trace, make(replicas), replicas, REPLICA);
    const cells = [
      String(replicas).padStart(8),
      ` ${name.padEnd(21)}`,
      `${(100 * o.hitRate).toFixed(1)} %`.padStart(9),
      o.queued.toFixed(2).padStart(9),
      o.p50.toFixed(2).padStart(7),
      o.p99.toFixed(2).padStart(7),
      String(o.deepest).padStart(8),
      o.imbalance.toFixed(2).padStart(13),
    ];
    console.log(cells.join(" "));
  }
}
