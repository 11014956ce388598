/** The engine's Worker dies while the tokenizer is still being made for it: nobody waits for ever, the next one is taught. */

import { EngineClient } from "../../src/engine/client.ts";
import { DEFAULT_ENGINE_OPTIONS } from "../../src/engine/engine.ts";
import type { GrammarSpec, Vocabulary } from "../../src/engine/grammar/spec.ts";
import { printable } from "../../src/engine/grammar/spec.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { PARAMS, promptOf } from "../support/engine_harness.ts";

const VOCABULARY: Vocabulary = {
  tokens: Array.from({ length: 263 }, (_, id) => id < 256 ? printable(Uint8Array.of(id)) : ""),
  size: 263,
  stopIds: [257],
};
const SPEC: GrammarSpec = {
  thought: null,
  answer: null,
  content: { type: "regex", pattern: "[a-f]{9}" },
  tools: [],
  calls: "one",
};

for (const [when, afterMs] of [["before another is started", 0], ["while another loads", 2]] as const) {
  Deno.test(`a vocabulary that is ready when the Worker is lost, ${when}`, async () => {
    const lost = Promise.withResolvers<void>();
    const client = new EngineClient(new URL("../../src/worker.ts", import.meta.url), {
      engine: "fake",
      folder: "",
      saved: null,
      options: DEFAULT_ENGINE_OPTIONS,
      model: { stepMs: 0.2, promptTokenMs: 0, loseAtStep: 6 }, // the self-test takes three
    }, () => lost.resolve());
    try {
      await client.ready;
      const made = Promise.withResolvers<Vocabulary>();
      const refused = assertThrows(() => client.compile(SPEC, () => made.promise), /not ready/);
      const answer = client.generate(promptOf([1, 2, 3]), PARAMS, new AbortController().signal);
      await assertThrows(async () => {
        for await (const _ of answer);
      }, /device was lost/);
      await lost.promise;
      if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
      made.resolve(VOCABULARY);
      await refused;
      while (client.state !== "ready") await new Promise((resolve) => setTimeout(resolve, 10));
      await client.compile(SPEC, () => Promise.resolve(VOCABULARY));
      assertEquals(client.state, "ready");
    } finally {
      client.close();
    }
  });
}
