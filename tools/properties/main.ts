/**
 * `deno task test:properties [--traces N] [--seed S] [--engine fake|gpu] [--model FOLDER]`: random traces on an
 * engine with little memory, each finished answer compared with what the request gives cold: alone, its prompt in
 * one chunk, no cache. Ids are equal, and log-probabilities have the same bits where the same kernels ran.
 * Closes with `N traces passed, M failed`; exit 1 on any failure, and where, of 60 traces or more, too few blocks are
 * found or too few steps have the same bits.
 */

import { parseArgs } from "node:util";
import { FakeModel } from "../../src/engine/fake/model.ts";
import { Checker, Counts, type Memory } from "./checker.ts";

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
/** Keys and values of one block of the demo model: 4 layers, 2 heads of 128, 16 tokens, f32. */
const DEMO_BLOCK_BYTES = 4 * 2 * (2 * 128) * 16 * 4;
const FAKE_SMALL = {
  ...SMALL,
  mediaRows: 16,
  answers: "hash",
  stepMs: 0.3,
  promptTokenMs: 0,
} as const;

/** How the kernels are chosen: one for any number of rows, so that equal steps have equal bits, or as served. */
const VARIANTS = ["invariant", "served"] as const;
/** Of so many traces one runs on the kernels as served: near the cold answer then, not the same bits. */
const SERVED_EVERY = 10;

async function checkers(): Promise<Checker[]> {
  const shape = { blockSize: SMALL.blockSize, longest: 180 };
  if (values.engine === "fake") {
    const cold = new FakeModel({
      ...FAKE_SMALL,
      stepMs: 0,
      numBlocks: 64,
      mediaRows: 64,
      maxBatchTokens: 1024,
    });
    const warm = (memory: Memory) =>
      Promise.resolve(new FakeModel({ ...FAKE_SMALL, numBlocks: BLOCKS[memory] }));
    const fakeShape = { ...shape, vocabulary: 256, reserved: new Set<number>() };
    return [new Checker(warm, cold, "same bits", fakeShape, counts)];
  }
  const { loadModel } = await import("../../src/families/registry.ts");
  return await Promise.all(VARIANTS.map(async (variant) => {
    // Halves would make a last bit that differs a thousandth of a key.
    const common = { ...SMALL, kvPrecision: "f32", batchInvariant: variant === "invariant" } as const;
    const cold = await loadModel(values.model, { ...common, maxBatchTokens: 512, maxSequences: 1 });
    const { vocabSize, eosIds } = cold.info;
    return new Checker(
      (memory) => loadModel(values.model, { ...common, kvBytes: BLOCKS[memory] * DEMO_BLOCK_BYTES }),
      cold,
      variant === "invariant" ? "same bits" : "near",
      { ...shape, vocabulary: Math.min(980, vocabSize), reserved: new Set(eosIds) },
      counts,
    );
  }));
}

const counts = new Counts();
const all = await checkers();
let passed = 0, failed = 0;
const first = Number(values.seed), count = Number(values.traces);
for (let seed = first; seed < first + count; seed++) {
  const checker = all[seed % SERVED_EVERY === 0 ? all.length - 1 : 0];
  const problem = await checker.run(seed).catch((error) =>
    error instanceof Error ? error.stack ?? error.message : String(error)
  );
  if (problem === null) passed++;
  else {
    failed++;
    console.log(`trace ${seed}: ${problem}`);
  }
}
const { requests, compared, eligible, hit, kinds, preemptions, losses, restarts } = counts;
console.log(
  `${requests} requests, ${compared} compared, ${preemptions} preemptions, ${losses} devices lost, ${restarts} caches saved and restored`,
);
console.log(`kinds: ${[...kinds].map(([kind, n]) => `${kind} ${n}`).join(", ")}`);
console.log(
  `cache: ${hit} of ${eligible} blocks that had been computed before were found (${
    (100 * hit / eligible).toFixed(1)
  } %)`,
);
const { same, other, worst, share } = counts.scores;
console.log(
  `log-probabilities: ${same} of ${same + other} steps have the same bits as cold (${
    (100 * share).toFixed(1)
  } %), NMSE elsewhere at most ${worst.toPrecision(3)}`,
);
/** Of few traces the shares say little. */
const missed = count < 60 ? [] : [
  ...(hit < 0.6 * eligible ? ["under 60 % of the blocks were found"] : []),
  ...(share < 0.8 ? ["under 80 % of the steps have the same bits"] : []),
];
for (const miss of missed) console.log(`missed: ${miss}`);
console.log(`${passed} traces passed, ${failed} failed`);
Deno.exit(failed === 0 && missed.length === 0 ? 0 : 1);
