/** `--batch-invariant`: log-probabilities have the same bits alone, in company, in chunks and after cached tokens. */

import { assertEquals, assertGreater } from "../support/assert.ts";
import { Harness, idsOf, promptOf } from "../support/engine_harness.ts";
import { modelSets } from "../support/gpu.ts";
import { loadModel } from "../../src/families/registry.ts";

const LENGTHS = [37, 5, 21, 18];

for (const profile of modelSets(false)) {
  Deno.test(`batch-invariant: answers have the same bits in every company (${profile})`, async () => {
    const model = await loadModel("weights/demo", {
      profile,
      batchInvariant: true,
      kvBytes: 4 << 20,
      maxBatchTokens: 64,
      maxSequences: 5,
    });
    try {
      const params = {
        maxTokens: 3,
        stopIds: [],
        sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0, logprobs: 5 },
      };
      const prompts = LENGTHS.map((length, i) => promptOf(idsOf(i, length).map((id) => 300 + id)));
      const alone = [];
      const quiet = new Harness(model, { prefixCache: false });
      for (const prompt of prompts) alone.push(await quiet.run(structuredClone(prompt), params));
      const busy = new Harness(model, { mixedPrefillTokens: 20 });
      for (const from of ["computed", "cached"]) {
        const all = await Promise.all(prompts.map((prompt) => busy.run(structuredClone(prompt), params)));
        assertEquals(
          all.map(({ ids, scores }) => ({ ids, scores })),
          alone.map(({ ids, scores }) => ({ ids, scores })),
        );
        if (from === "cached") assertGreater(Math.min(...all.map((o) => o.cachedTokens).filter(Boolean)), 15);
      }
      assertEquals(alone.map(({ scores }) => scores.length), LENGTHS.map(() => 3));
    } finally {
      model.destroy();
    }
  });
}
