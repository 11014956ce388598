/** What a sequence tells the model of its tokens. */

import { assertEquals } from "../support/assert.ts";
import { PARAMS, promptOf } from "../support/engine_harness.ts";
import { Sequence } from "../../src/engine/sequence.ts";

Deno.test("positions: the prompt's own, then the token's index and the prompt's offset on every axis", () => {
  const prompt = {
    ...promptOf([5, 6, 7]),
    positions: Float32Array.of(0, 1, 1, 0, 1, 2, 0, 1, 3),
    ropeDelta: 2.5,
  };
  const sequence = new Sequence(1, prompt, PARAMS, 8, 0, 0);
  assertEquals([...sequence.positions(1, 4, 3)], [1, 1, 5.5, 6.5, 1, 2, 5.5, 6.5, 1, 3, 5.5, 6.5]);
});
