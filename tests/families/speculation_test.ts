/** Prompt lookup on the device: the demo model's ids are the same with right and with wrong guesses, greedy and drawn. */

import { assertEquals, assertGreater } from "../support/assert.ts";
import { Harness, promptOf } from "../support/engine_harness.ts";
import { PromptLookup } from "../../src/engine/lookup.ts";
import { loadModel } from "../../src/families/registry.ts";

Deno.test("speculation: the demo model draws the same ids", async () => {
  const model = await loadModel("weights/demo", { maxSequences: 4, kvBytes: 16 << 20 });
  const { guess } = PromptLookup.prototype;
  try {
    const prompt = promptOf(Array.from({ length: 28 }, (_, i) => 300 + i % 8));
    for (const temperature of [0, 0.8]) {
      const params = {
        maxTokens: 48,
        stopIds: [],
        sampling: { temperature, topP: 0.95, topK: 40, minP: 0, seed: 11 },
      };
      const plain = await new Harness(model, { prefixCache: false }).run(structuredClone(prompt), params);
      // What comes next, but every fourth guess is wrong from its third id on.
      PromptLookup.prototype.guess = (ids, most) => {
        const right = plain.ids.slice(ids.length - 28).slice(0, Math.max(0, most));
        return ids.length % 4 === 0 ? right.map((id, i) => i < 2 ? id : (id + 1) % 1000) : right;
      };
      const harness = new Harness(model, { prefixCache: false, speculate: 6 });
      const both = await Promise.all([0, 1].map(() => harness.run(structuredClone(prompt), params)));
      for (const outcome of both) assertEquals(outcome.ids, plain.ids);
      const { guessedTokens, rightGuesses } = await harness.idle();
      assertGreater(rightGuesses, 40);
      assertGreater(guessedTokens, rightGuesses);
      PromptLookup.prototype.guess = guess;
    }
  } finally {
    PromptLookup.prototype.guess = guess;
    model.destroy();
  }
});
