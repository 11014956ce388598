/** The engine on the fake model: whatever the load and the chunking, each request gets the ids that it gets alone. */

import { assertEquals, assertGreater } from "../support/assert.ts";
import { Harness, hashModel, idsOf, type Outcome, promptOf } from "../support/engine_harness.ts";
import type { FakeOptions } from "../../src/engine/fake/model.ts";
import type { Prompt } from "../../src/families/family.ts";
import type { GenerateParams } from "../../src/engine/generation.ts";

/** What the request gives alone in a roomy engine without a cache, its prompt in one chunk. */
async function alone(prompt: Prompt, params: Partial<GenerateParams> = {}): Promise<number[]> {
  const harness = new Harness(hashModel({ maxBatchTokens: 8192 }), { prefixCache: false });
  return (await harness.run(structuredClone(prompt), params)).ids;
}

/** Every slot, block and media row is back. */
async function assertNothingLost(harness: Harness): Promise<void> {
  const stats = await harness.idle();
  assertEquals(stats.freeSlots, stats.totalSlots);
  assertEquals(stats.freeBlocks, stats.totalBlocks);
  assertEquals(stats.freeMediaRows, stats.totalMediaRows);
}

const SMALL: FakeOptions = {
  numBlocks: 24,
  blockSize: 8,
  maxSequences: 4,
  maxBatchTokens: 16,
  mediaRows: 40,
};

Deno.test("a prompt in chunks gives the ids of the whole prompt", async () => {
  for (const length of [1, 7, 8, 9, 63, 64, 65, 130]) {
    const prompt = promptOf(idsOf(length, length));
    const harness = new Harness(hashModel({ ...SMALL, numBlocks: 64 }));
    assertEquals((await harness.run(structuredClone(prompt))).ids, await alone(prompt));
    await assertNothingLost(harness);
  }
});

Deno.test("media in chunks give the ids of the whole prompt, and are encoded once", async () => {
  const prompt = promptOf(idsOf(3, 100), [{ at: 5, tokens: 30, digest: "aa11" }, {
    at: 40,
    tokens: 33,
    digest: "bb22",
  }]);
  const harness = new Harness(hashModel(SMALL), { prefixCache: false });
  const expected = await alone(prompt);
  assertEquals((await harness.run(structuredClone(prompt))).ids, expected);
  // 63 rows do not lie in 40 together: the second took the first's place.
  assertEquals((await harness.idle()).mediaEncoded, 2);
  const two = [harness.run(structuredClone(prompt)), harness.run(structuredClone(prompt))];
  for (const outcome of await Promise.all(two)) assertEquals(outcome.ids, expected);
  await assertNothingLost(harness);
});

Deno.test("many at once give the ids of each alone, preempted ones too", async () => {
  const prompts = Array.from({ length: 12 }, (_, i) => promptOf(idsOf(100 + i, 20 + 5 * i)));
  const harness = new Harness(hashModel({ ...SMALL, numBlocks: 22 }));
  const outcomes = await Promise.all(
    prompts.map((prompt) => harness.run(structuredClone(prompt), { maxTokens: 60 })),
  );
  for (const [i, outcome] of outcomes.entries()) {
    assertEquals(outcome.ids, await alone(prompts[i], { maxTokens: 60 }), `request ${i}`);
  }
  const stats = await harness.idle();
  assertGreater(stats.preemptions, 0);
  await assertNothingLost(harness);
});

Deno.test("a known beginning is not computed again and gives the same ids", async () => {
  const harness = new Harness(hashModel({ ...SMALL, numBlocks: 64, mediaRows: 64 }));
  const media = [{ at: 4, tokens: 20, digest: "cc33" }];
  const prompt = promptOf(idsOf(9, 61), media);
  const cold = await harness.run(structuredClone(prompt));
  const warm = await harness.run(structuredClone(prompt));
  assertEquals([cold.cachedTokens, warm.cachedTokens], [0, 56]);
  assertEquals(warm.ids, cold.ids);
  assertEquals(cold.ids, await alone(prompt));
  // The answer itself, and one more turn.
  const next = promptOf([...prompt.ids, ...cold.ids, ...idsOf(10, 9)], media);
  const third = await harness.run(structuredClone(next));
  assertEquals(third.cachedTokens, Math.floor((61 + cold.ids.length - 1) / 8) * 8);
  assertEquals(third.ids, await alone(next));
  // Another picture in the same place, another salt, one token changed: cold from there on.
  const other = promptOf(prompt.ids, [{ ...media[0], digest: "cc34" }]);
  assertEquals((await harness.run(structuredClone(other))).cachedTokens, 0);
  assertEquals((await harness.run(structuredClone(prompt), { salt: "other" })).cachedTokens, 0);
  const edited = promptOf(prompt.ids.map((id, i) => i === 30 ? id ^ 1 : id), media);
  const branch = await harness.run(structuredClone(edited));
  assertEquals(branch.cachedTokens, 24);
  assertEquals(branch.ids, await alone(edited));
  await assertNothingLost(harness);
});

Deno.test("the whole prompt known: one token is computed all the same", async () => {
  const harness = new Harness(hashModel({ ...SMALL, numBlocks: 64 }));
  const prompt = promptOf(idsOf(4, 64));
  const cold = await harness.run(structuredClone(prompt));
  const warm = await harness.run(structuredClone(prompt));
  assertEquals(warm.cachedTokens, 56);
  assertEquals(warm.ids, cold.ids);
});

Deno.test("stop ids, max_tokens, min_tokens", async () => {
  const harness = new Harness(hashModel(SMALL));
  const prompt = promptOf(idsOf(5, 12));
  const { ids, finish } = await harness.run(structuredClone(prompt), { maxTokens: 10, stopIds: [] });
  assertEquals([ids.length, finish], [10, "length"]);
  const stopId = ids[6], first = ids.indexOf(stopId);
  const stopped = await harness.run(structuredClone(prompt), { maxTokens: 10, stopIds: [stopId] });
  assertEquals(
    [stopped.ids, stopped.finish, stopped.stopId],
    [ids.slice(0, first), "stop", stopId] as unknown[],
  );
  const later = await harness.run(structuredClone(prompt), {
    maxTokens: 10,
    stopIds: [stopId],
    minTokens: first + 1,
  });
  assertEquals(later.ids.slice(0, first + 1), ids.slice(0, first + 1));
  const one = await harness.run(structuredClone(prompt), { maxTokens: 1 });
  assertEquals(one.ids, ids.slice(0, 1));
  await assertNothingLost(harness);
});

Deno.test("what can never run and what finds the queue full is refused at once", async () => {
  const harness = new Harness(hashModel({ ...SMALL, stepMs: 2 }), { maxWaiting: 2, maxWaitingPerKey: 2 });
  const code = (prompt: Prompt, params: Partial<GenerateParams> = {}): string => {
    try {
      harness.start(prompt, params);
      return "taken";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assertEquals(code(promptOf(idsOf(1, 192))), "too_long");
  assertEquals(code(promptOf(idsOf(1, 180)), { maxTokens: 13 }), "too_long");
  assertEquals(code(promptOf(idsOf(1, 60), [{ at: 0, tokens: 41, digest: "dd" }])), "media_too_large");
  const codes = Array.from({ length: 8 }, (_, i) => code(promptOf(idsOf(i, 10))));
  assertEquals(codes, [...new Array(6).fill("taken"), "full", "full"]);
  await assertNothingLost(harness);
});

Deno.test("who waits too long fails", async () => {
  const harness = new Harness(hashModel({ ...SMALL, maxSequences: 1, stepMs: 3 }), { maxWaitMs: 20 });
  const first = harness.run(promptOf(idsOf(1, 10)), { maxTokens: 60, stopIds: [] });
  const second = await harness.run(promptOf(idsOf(2, 10)));
  assertEquals(second.error?.code, "queue_timeout");
  assertEquals((await first).ids.length, 60);
  await assertNothingLost(harness);
});

Deno.test("keys take turns", async () => {
  const harness = new Harness(hashModel({ ...SMALL, maxSequences: 1 }));
  const order: string[] = [];
  const run = (key: string) =>
    harness.run(promptOf(idsOf(order.length, 10)), { key }).then(() => order.push(key));
  await Promise.all([run("a"), run("a"), run("a"), run("a"), run("b"), run("b")]);
  assertEquals(order.slice(0, 4).sort().join(""), "aabb");
});

Deno.test("a lost device fails every request", async () => {
  const harness = new Harness(hashModel({ ...SMALL, loseAtStep: 6 }));
  const all = Array.from(
    { length: 6 },
    (_, i) => harness.run(promptOf(idsOf(i, 30)), { maxTokens: 40, stopIds: [] }),
  );
  for (const outcome of await Promise.all(all)) assertEquals(outcome.error?.code, "device_lost");
  assertEquals(harness.lost, "the fake device was lost");
});

Deno.test("decoding goes on while a long prompt is computed", async () => {
  const harness = new Harness(hashModel({ numBlocks: 512, blockSize: 8, maxBatchTokens: 64 }), {
    mixedPrefillTokens: 16,
  });
  let events = 0;
  const short = harness.start(promptOf(idsOf(1, 10)), { maxTokens: 150, stopIds: [] });
  const long = harness.start(promptOf(idsOf(2, 2000)), { maxTokens: 1 });
  await long.done;
  events = harness.outcomes.get(short.id)!.ids.length;
  assertGreater(events, 100); // 125 chunks of 16
  const outcome: Outcome = await short.done;
  assertEquals(outcome.ids.length, 150);
});

Deno.test("the next turn gives the same ids wherever the last answer ended", async () => {
  for (let maxTokens = 1; maxTokens <= 9; maxTokens++) {
    const harness = new Harness(hashModel({ ...SMALL, numBlocks: 64 }));
    const prompt = promptOf(idsOf(6, 20));
    const { ids } = await harness.run(structuredClone(prompt), { maxTokens, stopIds: [] });
    const next = promptOf([...prompt.ids, ...ids, ...idsOf(7, 10)]);
    const outcome = await harness.run(structuredClone(next));
    assertEquals(outcome.cachedTokens, Math.floor((20 + maxTokens - 1) / 8) * 8);
    assertEquals(outcome.ids, await alone(next), `after ${maxTokens}`);
  }
});
