/** The fleet simulation: what must hold for any trace, and what each policy is for. */

import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { POLICIES } from "../../tools/fleet_sim/policies.ts";
import { type Replica, serviceSeconds, simulate } from "../../tools/fleet_sim/simulate.ts";
import { makeTrace } from "../../tools/fleet_sim/trace.ts";

const REPLICA: Replica = { slots: 8, prefillRate: 1000, tokenSeconds: 0.02, cacheTokens: 40_000 };

function runAll(replicas: number, seed = 1, load = 0.75) {
  const rate = load * replicas * REPLICA.slots / 2.1;
  const trace = makeTrace({ seed, requests: 3000, rate, categories: 500 });
  return Object.fromEntries(
    Object.entries(POLICIES).map((
      [name, make],
    ) => [name, simulate(trace, make(replicas), replicas, REPLICA)]),
  );
}

Deno.test("fleet_sim: every request ends once, no cache over its limit, same seed same outcome", () => {
  for (const replicas of [1, 7, 40]) {
    const outcomes = runAll(replicas);
    for (const [name, outcome] of Object.entries(outcomes)) {
      equal(outcome.finished, 3000, name);
      ok(outcome.fullestCache <= REPLICA.cacheTokens, name);
      ok(outcome.hitRate >= 0 && outcome.hitRate < 1 && outcome.p99 >= outcome.p50, name);
    }
    same(outcomes, runAll(replicas));
  }
  ok(runAll(7, 2)["round robin"].p99 !== runAll(7)["round robin"].p99);
});

Deno.test("fleet_sim: with one replica the policies are one", () => {
  const [first, ...others] = Object.values(runAll(1));
  for (const outcome of others) same(outcome, first);
});

Deno.test("fleet_sim: one request on idle replicas takes its service time, the second is served from the cache", () => {
  const [request] = makeTrace({ seed: 3, requests: 1, rate: 1, categories: 5 });
  const later = { ...request, arrival: request.arrival + 1000 };
  const prompt = request.chain.reduce((sum, { tokens }) => sum + tokens, 0);
  const outcome = simulate([request, later], POLICIES["round robin"](1), 1, REPLICA);
  equal(outcome.hitRate, 0.5);
  equal(outcome.queued, 0);
  ok(Math.abs(outcome.p99 - serviceSeconds(request, 0, REPLICA)) < 1e-9);
  ok(Math.abs(serviceSeconds(request, prompt, REPLICA) - request.output * REPLICA.tokenSeconds) < 1e-9);
});

Deno.test("fleet_sim: affinity brings hits, the bound keeps the tail", () => {
  const outcomes = runAll(40);
  const aware = outcomes["prefix, bounded load"];
  ok(aware.hitRate > outcomes["round robin"].hitRate + 0.03, JSON.stringify(outcomes, null, 1));
  ok(aware.p99 < outcomes["prefix hash"].p99 / 2, JSON.stringify(outcomes, null, 1));
  ok(aware.imbalance < outcomes["prefix hash"].imbalance);
});
