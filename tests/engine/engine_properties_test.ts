/**
 * Random traffic: prompts that share beginnings, media, aborts at any moment, too little memory. Every request that
 * finishes has the ids that it gets alone, and at the end nothing is lost.
 */

import fc from "fast-check";
import { assertEquals } from "../support/assert.ts";
import { Harness, hashModel, idsOf, type Outcome, promptOf } from "../support/engine_harness.ts";
import type { Prompt } from "../../src/families/family.ts";

const GEOMETRY = { numBlocks: 20, blockSize: 4, maxSequences: 3, maxBatchTokens: 12, mediaRows: 24 };

interface Operation {
  /** Which of a few beginnings the prompt takes, and how much of it. */
  stem: number;
  stemLength: number;
  tail: number;
  tailLength: number;
  /** Which picture, or none. */
  picture: number;
  maxTokens: number;
  salt: string;
  key: string;
  temperature: number;
  /** Milliseconds after which it is aborted; null: never. */
  abortAfter: number | null;
  /** Turns of the event loop before the next. */
  pause: number;
}

const operation: fc.Arbitrary<Operation> = fc.record({
  stem: fc.nat(1),
  stemLength: fc.constantFrom(0, 7, 8, 20, 29, 30),
  tail: fc.nat(3),
  tailLength: fc.integer({ min: 1, max: 12 }),
  picture: fc.constantFrom(0, 0, 0, 1, 2),
  maxTokens: fc.integer({ min: 1, max: 24 }),
  salt: fc.constantFrom("", "", "", "other"),
  key: fc.constantFrom("a", "b"),
  temperature: fc.constantFrom(0, 0, 1),
  abortAfter: fc.option(fc.nat(12), { nil: null }),
  pause: fc.nat(6),
});

function promptFor({ stem, stemLength, tail, tailLength, picture }: Operation): Prompt {
  const ids = [...idsOf(stem + 1, stemLength), ...idsOf(tail + 50, tailLength)];
  const tokens = 6 + picture;
  const fits = picture > 0 && ids.length > tokens + 2;
  return promptOf(ids, fits ? [{ at: 2, tokens, digest: `${picture}0` }] : []);
}

/** Answers of requests alone, by what they depend on. */
const known = new Map<string, Promise<number[]>>();

function alone(op: Operation): Promise<number[]> {
  const { stem, stemLength, tail, tailLength, picture, maxTokens, temperature } = op;
  const key = [stem, stemLength, tail, tailLength, picture, maxTokens, temperature].join();
  const cached = known.get(key);
  if (cached !== undefined) return cached;
  const harness = new Harness(
    hashModel({ ...GEOMETRY, numBlocks: 64, maxBatchTokens: 4096, mediaRows: 64 }),
    { prefixCache: false },
  );
  const ids = harness.run(promptFor(op), { maxTokens, sampling: samplingOf(op) }).then((outcome) =>
    outcome.ids
  );
  known.set(key, ids);
  return ids;
}

const samplingOf = ({ temperature, stem }: Operation) => ({
  temperature,
  topP: 1,
  topK: 0,
  minP: 0,
  seed: stem,
});

async function runTrace(
  operations: Operation[],
  prefixCache: boolean,
  numBlocks: number,
): Promise<{ cached: number }> {
  const harness = new Harness(hashModel({ ...GEOMETRY, numBlocks }), { prefixCache, mixedPrefillTokens: 6 });
  const results: { op: Operation; done: Promise<Outcome | null> }[] = [];
  for (const op of operations) {
    const { id, done } = harness.start(promptFor(op), {
      maxTokens: op.maxTokens,
      salt: op.salt,
      key: op.key,
      sampling: samplingOf(op),
    });
    let aborted: Promise<null> = new Promise(() => {});
    if (op.abortAfter !== null) {
      aborted = new Promise((resolve) =>
        setTimeout(() => {
          harness.engine.abort(id);
          resolve(null);
        }, op.abortAfter!)
      );
    }
    results.push({ op, done: Promise.race([done, aborted]) });
    for (let i = 0; i < op.pause; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  for (const { op, done } of results) {
    const outcome = await done;
    if (outcome === null) continue;
    assertEquals(outcome.error, null);
    assertEquals(outcome.ids, await alone(op), JSON.stringify(op));
  }
  const stats = await harness.idle();
  assertEquals(
    [stats.freeSlots, stats.freeBlocks, stats.freeMediaRows, stats.running, stats.waiting, stats.draining],
    [stats.totalSlots, stats.totalBlocks, stats.totalMediaRows, 0, 0, 0],
  );
  return { cached: stats.cachedTokens };
}

/** Too few blocks for all, or enough to keep some. */
const sizes = fc.constantFrom(20, 20, 80);

Deno.test("random traffic with the prefix cache: ids as alone, nothing lost", async () => {
  let cached = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 1, maxLength: 20 }),
      sizes,
      async (operations, blocks) => {
        cached += (await runTrace(operations, true, blocks)).cached;
      },
    ),
    { numRuns: 120, seed: 1 },
  );
  assertEquals(cached > 1000, true, `${cached} tokens from the cache`); // or nothing was tried
});

Deno.test("random traffic without the prefix cache", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 1, maxLength: 14 }),
      sizes,
      async (operations, blocks) => {
        await runTrace(operations, false, blocks);
      },
    ),
    { numRuns: 40, seed: 2 },
  );
});
