/** Prompt lookup: guessed ids change how many steps an answer takes, and nothing else. */

import { assert, assertEquals, assertGreater } from "../support/assert.ts";
import { Harness, hashModel, idsOf, promptOf } from "../support/engine_harness.ts";
import { FakeModel } from "../../src/engine/fake/model.ts";
import { CONTROL, encodeText } from "../../src/engine/fake/vocabulary.ts";
import { PromptLookup } from "../../src/engine/lookup.ts";

const turn = (text: string): number[] => [
  ...[CONTROL.imStart, ...encodeText(`user\n${text}`), CONTROL.imEnd, ...encodeText("\n")],
  ...[CONTROL.imStart, ...encodeText("assistant\n")],
];
const scripted = () => new FakeModel({ stepMs: 0, promptTokenMs: 0 });

Deno.test("lookup: what followed the same three ids last, and nothing where they are new", () => {
  const lookup = new PromptLookup();
  const ids = [1, 2, 3, 4, 5, 9, 1, 2, 3];
  assertEquals(lookup.guess(ids, 4), [4, 5, 9, 1]);
  assertEquals(lookup.guess([...ids, 7], 4), []);
  assertEquals(lookup.guess([...ids, 7, 1, 2, 3], 2), [7, 1]);
  assertEquals(lookup.guess([...ids, 7, 1, 2, 3], 0), []);
});

Deno.test("lookup: after a wrong guess it waits, longer each time", () => {
  const lookup = new PromptLookup();
  const ids = [1, 2, 3, 4, 1, 2, 3];
  lookup.learn(0, ids.length);
  assertEquals(lookup.guess(ids, 3), []);
  const later = [...ids, 4, 1, 2, 3];
  assertEquals(lookup.guess(later, 2), [4, 1]);
  lookup.learn(0, later.length);
  assertEquals(lookup.guess([...later, 4, 1, 2, 3], 2), []);
});

Deno.test("speculation: an answer that repeats itself has the same ids in fewer steps", async () => {
  const prompt = promptOf(turn("forever"));
  const plain = new Harness(scripted());
  const guessing = new Harness(scripted(), { speculate: 5 });
  const expected = await plain.run(structuredClone(prompt), { maxTokens: 200 });
  const outcome = await guessing.run(structuredClone(prompt), { maxTokens: 200 });
  assertEquals(outcome.ids, expected.ids);
  assertEquals(outcome.finish, "length");
  const stats = await guessing.idle();
  assertGreater(stats.rightGuesses, 100);
  assert(stats.steps < (await plain.idle()).steps / 2, `${stats.steps} steps`);
  assertEquals(stats.freeBlocks, stats.totalBlocks);
});

Deno.test("speculation: echoed text ends at the stop id, guessed or not", async () => {
  const text = "echo: red shoe red shoe red shoe red shoe red hat";
  const expected = await new Harness(scripted()).run(promptOf(turn(text)), { maxTokens: null });
  for (const speculate of [1, 3, 15]) {
    const harness = new Harness(scripted(), { speculate });
    const outcome = await harness.run(promptOf(turn(text)), { maxTokens: null });
    assertEquals(outcome.ids, expected.ids);
    assertEquals([outcome.finish, outcome.stopId], [expected.finish, expected.stopId]);
    assertGreater((await harness.idle()).rightGuesses, 5);
  }
});

Deno.test("speculation: wrong guesses cost nothing but themselves, also among others, in few blocks, and drawn", async () => {
  // Each id of the answer depends on all before it: any guess is wrong but by chance.
  const { guess } = PromptLookup.prototype;
  PromptLookup.prototype.guess = (ids, most) => idsOf(ids.length, Math.max(0, most));
  try {
    const prompts = Array.from({ length: 10 }, (_, i) => promptOf(idsOf(i, 12 + 3 * i)));
    for (const temperature of [0, 1]) {
      const params = { maxTokens: 40, sampling: { temperature, topP: 1, topK: 0, minP: 0, seed: 7 } };
      const options = { numBlocks: 30, blockSize: 8, maxSequences: 4, maxBatchTokens: 16 };
      const harness = new Harness(hashModel(options), { speculate: 4 });
      const outcomes = await Promise.all(prompts.map((p) => harness.run(structuredClone(p), params)));
      for (const [i, prompt] of prompts.entries()) {
        const alone = await new Harness(hashModel(), { prefixCache: false }).run(
          structuredClone(prompt),
          params,
        );
        assertEquals(outcomes[i].ids, alone.ids);
      }
      const stats = await harness.idle();
      assertGreater(stats.guessedTokens, 1000);
      assertGreater(stats.preemptions, 0);
      assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
    }
  } finally {
    PromptLookup.prototype.guess = guess;
  }
});

Deno.test("speculation: the next turn finds the same ids in the cache", async () => {
  const first = promptOf(turn("echo: a blue bag a blue bag a blue bag a blue bag"));
  const harness = new Harness(scripted(), { speculate: 6 });
  const answer = await harness.run(structuredClone(first), { maxTokens: null });
  const next = promptOf([
    ...first.ids,
    ...answer.ids,
    CONTROL.imEnd,
    ...encodeText("\n"),
    ...turn("echo: and a red one"),
  ]);
  const again = await harness.run(structuredClone(next), { maxTokens: null });
  const cold = await new Harness(scripted()).run(structuredClone(next), { maxTokens: null });
  assertEquals(again.ids, cold.ids);
  assertGreater(again.cachedTokens, first.ids.length);
});
