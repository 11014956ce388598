/** Caches over a restart: what is restored gives the ids of the cold path; what is damaged is left. */

import { assert, assertEquals } from "../support/assert.ts";
import { Harness, hashModel, idsOf, promptOf } from "../support/engine_harness.ts";

const SHAPE = { numBlocks: 64, blockSize: 8, maxSequences: 4, maxBatchTokens: 32, mediaRows: 64 };
const media = [{ at: 4, tokens: 20, digest: "cc33" }];
const prompts = [
  promptOf(idsOf(1, 61), media),
  promptOf(idsOf(2, 40)),
  promptOf([...idsOf(2, 24), ...idsOf(3, 30)]),
];

async function filled(path: string): Promise<number[][]> {
  const harness = new Harness(hashModel(SHAPE));
  const answers: number[][] = [];
  for (const prompt of prompts) answers.push((await harness.run(structuredClone(prompt))).ids);
  await harness.idle();
  const counts = await harness.engine.saveCache(path, "print");
  assert(counts.blocks > 15 && counts.media === 1, JSON.stringify(counts));
  return answers;
}

Deno.test("what was computed before is found after a restart, media too", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/state/cache.valleykv`;
  const answers = await filled(path);
  assertEquals([...Deno.readDirSync(`${folder}/state`)].map(({ name }) => name), ["cache.valleykv"]);
  const harness = new Harness(hashModel(SHAPE));
  const restored = harness.engine.restoreCache(path, "print");
  assert(restored.blocks > 15 && restored.media === 1);
  const before = await harness.idle();
  assertEquals([before.freeBlocks, before.cachedBlocks], [64, restored.blocks]);
  for (const [i, prompt] of prompts.entries()) {
    const outcome = await harness.run(structuredClone(prompt));
    assertEquals(outcome.ids, answers[i]);
    assertEquals(outcome.cachedTokens, Math.floor((prompt.ids.length - 1) / 8) * 8);
  }
  // The same picture under another text: its encoding is there.
  await harness.run(promptOf(idsOf(9, 61), media));
  const after = await harness.idle();
  assertEquals([after.mediaEncoded, after.freeBlocks], [0, 64]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("another model, another geometry, less memory", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/cache.valleykv`;
  const answers = await filled(path);
  assertEquals(new Harness(hashModel(SHAPE)).engine.restoreCache(path, "other"), { blocks: 0, media: 0 });
  assertEquals(
    new Harness(hashModel({ ...SHAPE, blockSize: 4 })).engine.restoreCache(path, "print").blocks,
    0,
  );
  assertEquals(new Harness(hashModel(SHAPE)).engine.restoreCache(`${folder}/none`, "print").blocks, 0);
  const small = new Harness(hashModel({ ...SHAPE, numBlocks: 12, mediaRows: 32 }));
  assertEquals(small.engine.restoreCache(path, "print").blocks, 12);
  assertEquals((await small.run(structuredClone(prompts[0]))).ids, answers[0]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a damaged file never changes an answer", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/cache.valleykv`, broken = `${folder}/broken`;
  const answers = await filled(path);
  const bytes = Deno.readFileSync(path);
  let seed = 5;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  for (let i = 0; i < 120; i++) {
    const copy = i % 3 === 0 ? bytes.slice(0, random(bytes.length)) : bytes.slice();
    // Half of the flips go into the head and the index.
    if (i % 3 !== 0 && copy.length > 0) copy[random(i % 2 === 0 ? 2000 : copy.length)] ^= 1 << random(8);
    Deno.writeFileSync(broken, copy);
    const harness = new Harness(hashModel(SHAPE));
    const { blocks } = harness.engine.restoreCache(broken, "print");
    const stats = harness.engine.stats();
    assertEquals([stats.freeBlocks, stats.cachedBlocks], [64, blocks]);
    const which = i % prompts.length;
    assertEquals((await harness.run(structuredClone(prompts[which]))).ids, answers[which], `damage ${i}`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("what a save that was killed left behind is gone after the next start, the old cache is not", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/cache.valleykv`;
  await filled(path);
  for (const left of ["data-1", "new-2"]) Deno.writeTextFileSync(`${path}.${left}`, "half");
  Deno.writeTextFileSync(`${folder}/cache.valleykv2`, "another's");
  assert(new Harness(hashModel(SHAPE)).engine.restoreCache(path, "print").blocks > 15);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
    "cache.valleykv",
    "cache.valleykv2",
  ]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("saving goes on beside requests", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/cache.valleykv`;
  const harness = new Harness(hashModel({ ...SHAPE, stepMs: 0.2 }));
  const running = Array.from(
    { length: 12 },
    (_, i) => harness.run(promptOf(idsOf(40 + i, 50)), { maxTokens: 20 }),
  );
  for (let i = 0; i < 5; i++) {
    await harness.engine.saveCache(path, "print");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const outcome of await Promise.all(running)) assertEquals(outcome.error, null);
  const next = new Harness(hashModel(SHAPE));
  next.engine.restoreCache(path, "print");
  for (let i = 0; i < 12; i++) {
    const cold = new Harness(hashModel({ ...SHAPE, maxBatchTokens: 512 }), { prefixCache: false });
    const prompt = promptOf(idsOf(40 + i, 50));
    assertEquals((await next.run(structuredClone(prompt))).ids, (await cold.run(prompt)).ids);
  }
  await Deno.remove(folder, { recursive: true });
});
