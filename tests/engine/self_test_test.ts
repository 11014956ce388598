/** A model that is broken does not get ready. */

import { FakeModel } from "../../src/engine/fake/model.ts";
import { selfTest } from "../../src/engine/self_test.ts";
import type { Model, Sampled } from "../../src/families/family.ts";
import { assertThrows } from "../support/assert.ts";

/** A model whose n-th draw comes out changed, or (null) every one. */
function changed(at: number | null, change: (sampled: Sampled) => Sampled): Model {
  const model = new FakeModel({ answers: "hash", stepMs: 0 });
  let draws = 0;
  return new Proxy<Model>(model, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (name !== "read") return typeof value === "function" ? value.bind(target) : value;
      return async (...steps: Parameters<Model["read"]>) =>
        (await target.read(...steps)).map((rows) =>
          rows.map((row) => at === null || draws++ === at ? change(row) : row)
        );
    },
  });
}

Deno.test("the self-test passes on a sound model, and fails on one that draws at random or not at all", async () => {
  await selfTest(changed(-1, (row) => row));
  await selfTest(new FakeModel({ numBlocks: 1, blockSize: 4, maxBatchTokens: 3, stepMs: 0 }));
  await assertThrows(
    () => selfTest(changed(1, (row) => ({ ...row, id: row.id + 1 }))),
    /gave token \d+, then \d+/,
  );
  await assertThrows(() => selfTest(changed(1, (row) => ({ ...row, logprob: -0.1 }))), /gave token/);
  const nothing = (row: Sampled) => ({ ...row, logprob: -Infinity });
  await assertThrows(() => selfTest(changed(null, nothing)), /probability 0/);
  await assertThrows(
    () => selfTest(changed(2, (row) => ({ ...row, id: (row.id + 100) % 256 }))),
    /decoding gave token/,
  );
});
