/** The scheduler by itself, step by step. */

import { assertEquals } from "../support/assert.ts";
import { idsOf, PARAMS, promptOf } from "../support/engine_harness.ts";
import { DEFAULT_SCHEDULER_OPTIONS, type Plan } from "../../src/engine/plan.ts";
import { Scheduler } from "../../src/engine/scheduler.ts";
import { FakeModel, type FakeOptions } from "../../src/engine/fake/model.ts";
import type { GenerateParams } from "../../src/engine/generation.ts";

function scheduler(model: FakeOptions = {}, options: Partial<typeof DEFAULT_SCHEDULER_OPTIONS> = {}) {
  const { info } = new FakeModel({
    numBlocks: 32,
    blockSize: 4,
    maxSequences: 3,
    maxBatchTokens: 16,
    mediaRows: 16,
    ...model,
  });
  const made = new Scheduler(info, { ...DEFAULT_SCHEDULER_OPTIONS, ...options });
  let next = 1;
  const add = (
    length: number,
    params: Partial<GenerateParams> = {},
    media: Parameters<typeof promptOf>[1] = [],
  ) => made.add(next++, promptOf(idsOf(length, length), media), { ...PARAMS, ...params }, 0);
  return { scheduler: made, add };
}

/** Who computes what: `id:start+count`, with `*` where an id is drawn. */
const shown = (plan: Plan) =>
  plan.entries.map(({ sequence, start, count, samples }) =>
    `${sequence.id}:${start}+${count}${samples ? "*" : ""}`
  );

function finish(scheduler: Scheduler, plan: Plan, id = 7): void {
  for (const entry of plan.entries) scheduler.finishEntry(entry, entry.samples ? [id] : []);
}

Deno.test("a prompt is cut at block borders; decoding follows without the ids being known", () => {
  const { scheduler: s, add } = scheduler();
  add(37, { maxTokens: 3 });
  const plans = Array.from({ length: 6 }, () => s.plan());
  assertEquals(plans.map(shown), [["1:0+16"], ["1:16+16"], ["1:32+5*"], ["1:37+1*"], ["1:38+1*"], []]);
  assertEquals(plans[3].entries[0].fromSlot, true);
});

Deno.test("decoding comes first, prompts get what is left up to their share", () => {
  const { scheduler: s, add } = scheduler({}, { mixedPrefillTokens: 8 });
  add(4);
  s.plan();
  add(30);
  add(9);
  assertEquals(shown(s.plan()), ["1:4+1*", "2:0+8"]);
  assertEquals(shown(s.plan()), ["1:5+1*", "2:8+8"]);
});

Deno.test("what is done in the background has its turn when nobody else waits", () => {
  const { scheduler: s, add } = scheduler({ maxSequences: 1 });
  add(4, { maxTokens: 1 });
  s.plan();
  add(4, { key: "batch a", background: true });
  const late = add(4, { key: "a" }), later = add(4, { key: "b" });
  assertEquals([s.stats().waiting, s.stats().waitingTokens], [3, 12]);
  const order = [s.queue.next()];
  for (const next of [late, later]) {
    s.end(next);
    order.push(s.queue.next());
  }
  assertEquals(order.map((next) => next?.params.key), ["a", "b", "batch a"]);
});

Deno.test("nothing is found before the device has finished it", () => {
  const { scheduler: s, add } = scheduler();
  add(13);
  const first = s.plan();
  const early = add(13);
  s.plan();
  assertEquals(early.cachedTokens, 0);
  finish(s, first);
  const late = add(13);
  s.plan();
  assertEquals(late.cachedTokens, 12);
});

Deno.test("of a prompt in two chunks, only the chunk that the device has finished is found", () => {
  const { scheduler: s, add } = scheduler({ maxBatchTokens: 8 });
  add(16, { maxTokens: 1 });
  const first = s.plan(), second = s.plan();
  finish(s, first);
  const early = add(16, { maxTokens: 1 });
  const third = s.plan();
  assertEquals(early.cachedTokens, 8);
  finish(s, second);
  finish(s, third);
  const late = add(16);
  s.plan();
  assertEquals(late.cachedTokens, 12);
});

Deno.test("blocks come back when the last step in flight is read, not before", () => {
  const { scheduler: s, add } = scheduler();
  const sequence = add(10);
  const first = s.plan(), second = s.plan();
  s.end(sequence);
  assertEquals([s.stats().freeBlocks, s.stats().draining], [29, 1]);
  finish(s, first);
  assertEquals(s.stats().freeSlots, 2);
  finish(s, second);
  assertEquals([s.stats().freeBlocks, s.stats().freeSlots, s.stats().draining], [32, 3, 0]);
});

Deno.test("who came last gives way when blocks run out, and comes back first", () => {
  const { scheduler: s, add } = scheduler({ numBlocks: 8, maxBatchTokens: 64 }, { prefixCache: false });
  const params = { maxTokens: 14 };
  const a = add(10, params), b = add(11, params);
  const c = add(5, params);
  finish(s, s.plan());
  assertEquals([a.state, b.state, c.state], ["running", "running", "waiting"]);
  while (b.state === "running") finish(s, s.plan());
  assertEquals([a.state, b.state], ["running", "waiting"]);
  while (a.sampled < 14) finish(s, s.plan());
  s.end(a);
  const again = s.plan();
  assertEquals(again.entries[0].sequence.id, b.id);
  assertEquals(again.entries[0].start, 0);
  assertEquals(again.entries[0].count, b.ids.length);
});

Deno.test("the background gives way first, and comes back when nobody else waits", () => {
  const { scheduler: s, add } = scheduler({ numBlocks: 8, maxBatchTokens: 64 }, { prefixCache: false });
  const batch = add(10, { maxTokens: 14, key: "batch", background: true });
  finish(s, s.plan());
  const asked = add(11, { maxTokens: 14, key: "a" });
  while (batch.state === "running") finish(s, s.plan());
  assertEquals([batch.state, asked.state], ["waiting", "running"]);
  const late = add(30, { maxTokens: 1, key: "b" });
  assertEquals([s.queue.next(), s.stats().waiting], [late, 2]);
  s.end(asked);
  const next = s.plan();
  assertEquals(next.entries.map(({ sequence }) => sequence.id), [late.id]);
  finish(s, next);
  s.end(late);
  const last = s.plan();
  assertEquals(last.entries.map(({ sequence }) => sequence.id), [batch.id]);
  s.end(batch);
  finish(s, last);
  assertEquals([s.busy, s.stats().freeBlocks], [false, 8]);
});

Deno.test("media: a chunk ends before a medium that finds no room; the store keeps the last used", () => {
  const { scheduler: s, add } = scheduler({ maxBatchTokens: 64 });
  add(40, {}, [{ at: 2, tokens: 10, digest: "aa" }, { at: 20, tokens: 10, digest: "bb" }]);
  const first = s.plan(), second = s.plan();
  assertEquals([shown(first), shown(second)], [["1:0+20"], ["1:20+20*"]]);
  assertEquals([first.encode.length, second.encode.length], [1, 1]);
  assertEquals(second.encode[0].row, 0);
  assertEquals(Array.from(second.entries[0].mediaRows!.slice(0, 11)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1]);
});

Deno.test("keys take turns by what they were served", () => {
  const { scheduler: s, add } = scheduler({ maxSequences: 1, maxBatchTokens: 64 }, { prefixCache: false });
  const order: string[] = [];
  for (const key of ["a", "a", "a", "b", "b", "c"]) add(8, { key, maxTokens: 1 });
  for (let i = 0; i < 6; i++) {
    const plan = s.plan();
    order.push(plan.entries[0].sequence.params.key);
    finish(s, plan);
    s.end(plan.entries[0].sequence);
  }
  assertEquals(order.join(""), "abcaba");
});

Deno.test("media: while others decode, one is encoded a step; what is held already costs none", () => {
  const { scheduler: s, add } = scheduler({ maxBatchTokens: 64, mediaRows: 64 });
  const media = ["aa", "bb", "cc"].map((digest, i) => ({ at: 4 + 8 * i, tokens: 6, digest }));
  add(4);
  s.plan();
  add(30, {}, media);
  const plans = [s.plan(), s.plan(), s.plan()];
  assertEquals(plans.map((plan) => plan.encode.map(({ feature }) => feature.digest)), [["aa"], ["bb"], [
    "cc",
  ]]);
  assertEquals(plans.map((plan) => shown(plan)[1]), ["2:0+12", "2:12+8", "2:20+10*"]);
  add(30, { salt: PARAMS.salt }, media);
  assertEquals([s.plan().encode.length], [0]);
});
