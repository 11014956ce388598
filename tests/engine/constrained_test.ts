/** Constrained answers beside free ones, in memory so small that they lose their places: the same as alone. */

import type { GrammarSpec, Vocabulary } from "../../src/engine/grammar/spec.ts";
import { printable } from "../../src/engine/grammar/spec.ts";
import type { GenerateParams } from "../../src/engine/generation.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Harness, hashModel, idsOf, promptOf } from "../support/engine_harness.ts";

const VOCABULARY: Vocabulary = {
  tokens: Array.from({ length: 263 }, (_, id) => id < 256 ? printable(Uint8Array.of(id)) : ""),
  size: 263,
  stopIds: [257],
};
const regex = (pattern: string): GrammarSpec => ({
  thought: null,
  answer: null,
  content: { type: "regex", pattern },
  tools: [],
  calls: "one",
});
const CLOSE = "</t>";
const THOUGHT = { tokens: 12, open: "<t>", close: CLOSE, closeIds: [...new TextEncoder().encode(CLOSE)] };

/** Kinds of requests, over and over. */
const KINDS: Partial<GenerateParams>[] = [
  { grammar: regex("[a-f]{40}"), maxTokens: 60 },
  { maxTokens: 40, stopIds: [] },
  { grammar: regex("([A-Z][0-9]){10,12}"), maxTokens: 60 },
  { grammar: { ...regex("[xyz]{8}"), thought: ["<t>", CLOSE] }, thought: THOUGHT, maxTokens: 60 },
];

function harness(options: Parameters<typeof hashModel>[0]): Harness {
  const made = new Harness(hashModel(options));
  made.engine.constraints.setVocabulary(VOCABULARY);
  return made;
}

Deno.test("constrained answers among others, losing their places: the same as alone", async () => {
  const together = harness({ numBlocks: 13, blockSize: 8, maxSequences: 4, maxBatchTokens: 32 });
  const alone = harness({ numBlocks: 256, blockSize: 8, maxSequences: 1 });
  try {
    const requests = Array.from(
      { length: 16 },
      (_, i) => ({ ids: idsOf(i, 20 + i % 5), params: KINDS[i % KINDS.length] }),
    );
    const outcomes = await Promise.all(
      requests.map(({ ids, params }) => together.run(promptOf(ids), params)),
    );
    for (const [i, { ids, params }] of requests.entries()) {
      const { ids: got, finish, error } = outcomes[i];
      assertEquals(error, null);
      const cold = await alone.run(promptOf(ids), params);
      assertEquals([got, finish], [cold.ids, cold.finish], `request ${i}`);
      const text = new TextDecoder().decode(Uint8Array.from(got));
      if (i % 4 === 0) assertMatch(text, /^[a-f]{40}$/);
      if (i % 4 === 2) assertMatch(text, /^([A-Z][0-9]){10,12}$/);
      if (i % 4 === 3) {
        assertMatch(text, /^<t>[^]*<\/t>\s{0,2}[xyz]{8}$/);
        assert(text.indexOf(CLOSE) <= THOUGHT.tokens, text);
      }
    }
    const stats = await together.idle();
    assert(stats.preemptions > 0, "nobody lost its place");
    assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
  } finally {
    together.engine.constraints.end();
    alone.engine.constraints.end();
  }
});

Deno.test("an answer that is dropped lets go of its grammar", async () => {
  const busy = harness({ numBlocks: 64, blockSize: 8, stepMs: 1 });
  try {
    const { id } = busy.start(promptOf(idsOf(1, 10)), { grammar: regex("[a-f]{400}"), maxTokens: 450 });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    busy.engine.abort(id);
    const stats = await busy.idle();
    assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
    const after = await busy.run(promptOf(idsOf(2, 10)), { grammar: regex("[a-f]{9}") });
    assertEquals([after.ids.length, after.finish], [9, "stop"]);
  } finally {
    busy.engine.constraints.end();
  }
});
