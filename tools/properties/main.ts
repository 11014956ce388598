/**
 * `deno task test:properties [--traces N] [--seed S] [--engine fake|gpu] [--model FOLDER]`: random traces on an
 * engine with little memory, each finished answer compared with what the request gives cold: alone, its prompt in
 * one chunk, no cache. Closes with `N traces passed, M failed`; exit 1 on any failure.
 */

import { parseArgs } from "node:util";
import { FakeModel } from "../../src/engine/fake/model.ts";
import type { Model } from "../../src/families/family.ts";
import { Checker, type Memory } from "./checker.ts";
import type { TraceShape } from "./traces.ts";

const { values } = parseArgs({
  options: {
    traces: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    engine: { type: "string", default: "fake" },
    model: { type: "string", default: new URL("../../weights/demo", import.meta.url).pathname },
  },
});

/** Two sizes of memory: one that keeps most beginnings, one in which sequences push each other out. */
const SMALL = { maxSequences: 4, maxBatchTokens: 48, blockSize: 16 };
const BLOCKS = { roomy: 40, tight: 18 };
/** Keys and values of one block of the demo model: 4 layers, 2 heads of 128, 16 tokens, f16. */
const DEMO_BLOCK_BYTES = 4 * 2 * (2 * 128) * 16 * 2;
const FAKE_SMALL = {
  ...SMALL,
  mediaRows: 16,
  answers: "hash",
  stepMs: 0.3,
  promptTokenMs: 0,
} as const;

async function models(): Promise<
  { warm: (memory: Memory) => Promise<Model>; cold: Model; shape: TraceShape }
> {
  const shape = { blockSize: SMALL.blockSize, longest: 180 };
  if (values.engine === "fake") {
    const cold = new FakeModel({
      ...FAKE_SMALL,
      stepMs: 0,
      numBlocks: 64,
      mediaRows: 64,
      maxBatchTokens: 1024,
    });
    return {
      warm: (memory) => Promise.resolve(new FakeModel({ ...FAKE_SMALL, numBlocks: BLOCKS[memory] })),
      cold,
      shape: { ...shape, vocabulary: 256, reserved: new Set() },
    };
  }
  const { loadModel } = await import("../../src/families/registry.ts");
  const load = (options: Record<string, unknown>) => loadModel(values.model, { ...SMALL, ...options });
  const cold = await load({ maxBatchTokens: 512, maxSequences: 1 });
  return {
    warm: (memory) => load({ kvBytes: BLOCKS[memory] * DEMO_BLOCK_BYTES }),
    cold,
    shape: { ...shape, vocabulary: Math.min(980, cold.info.vocabSize), reserved: new Set(cold.info.eosIds) },
  };
}

const { warm, cold, shape } = await models();
const checker = new Checker(warm, cold, shape);
let passed = 0, failed = 0;
const first = Number(values.seed), count = Number(values.traces);
for (let seed = first; seed < first + count; seed++) {
  const problem = await checker.run(seed).catch((error) =>
    error instanceof Error ? error.stack ?? error.message : String(error)
  );
  if (problem === null) passed++;
  else {
    failed++;
    console.log(`trace ${seed}: ${problem}`);
  }
}
const { requests, compared, eligible, hit, kinds, preemptions, losses, restarts } = checker.counts;
console.log(
  `${requests} requests, ${compared} compared, ${preemptions} preemptions, ${losses} devices lost, ${restarts} caches saved and restored`,
);
console.log(`kinds: ${[...kinds].map(([kind, n]) => `${kind} ${n}`).join(", ")}`);
console.log(
  `cache: ${hit} of ${eligible} blocks that had been computed before were found (${
    (100 * hit / eligible).toFixed(1)
  } %)`,
);
console.log(`${passed} traces passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
