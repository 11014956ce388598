/** Prompt lookup on the device: the demo model's ids are the same with guesses and without, greedy and drawn. */

import { assert, assertEquals } from "../support/assert.ts";
import { Harness, promptOf } from "../support/engine_harness.ts";
import { loadModel } from "../../src/families/registry.ts";

Deno.test("speculation: the demo model draws the same ids", async () => {
  const model = await loadModel("weights/demo", { maxSequences: 4, kvBytes: 16 << 20 });
  try {
    const part = [300, 301, 302, 303, 304, 305, 306, 307];
    const prompt = promptOf([...part, ...part, ...part, ...part.slice(0, 4)]);
    for (const temperature of [0, 0.8]) {
      const params = {
        maxTokens: 48,
        stopIds: [],
        sampling: { temperature, topP: 0.95, topK: 40, minP: 0, seed: 11 },
      };
      const plain = await new Harness(model, { prefixCache: false }).run(structuredClone(prompt), params);
      const harness = new Harness(model, { prefixCache: false, speculate: 6 });
      const both = await Promise.all([0, 1].map(() => harness.run(structuredClone(prompt), params)));
      for (const outcome of both) assertEquals(outcome.ids, plain.ids);
      const stats = await harness.idle();
      assert(stats.guessedTokens > 0, "something was guessed");
    }
  } finally {
    model.destroy();
  }
});
