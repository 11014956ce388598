/** Loading in stages, and what the warm-up is for: nothing is compiled when the first picture is asked about. */

import { assertEquals, assertGreater } from "../support/assert.ts";
import type { SequenceStep } from "../../src/families/family.ts";
import { loadModel } from "../../src/families/registry.ts";

Deno.test("load: stages in order; a first picture, sound, prompt and decoded token compile nothing", async () => {
  const { createComputePipeline } = GPUDevice.prototype;
  let compiled = 0;
  GPUDevice.prototype.createComputePipeline = function (this: GPUDevice, descriptor) {
    compiled++;
    return createComputePipeline.call(this, descriptor);
  };
  const stages: string[] = [];
  const model = await loadModel("weights/demo", {
    maxSequences: 1,
    kvBytes: 8 << 20,
    onStage: (stage) => stages.push(stage),
  });
  try {
    assertEquals(stages, ["choosing kernels", "weights", "warming up"]);
    const loaded = compiled;
    assertGreater(loaded, 20);

    const numbers = (length: number) => Float32Array.from({ length }, (_, i) => Math.cos(i));
    const picture = { tokens: 9, data: numbers(36 * 1536), shape: [1, 6, 6] };
    model.encodeMedia({ kind: "image", digest: "picture", ...picture }, 0);
    const sound = { tokens: 13, data: numbers(128 * 100), shape: [128, 100] };
    model.encodeMedia({ kind: "audio", digest: "sound", ...sound }, picture.tokens);

    const count = 40;
    const step = (start: number, ids: Uint32Array | null): SequenceStep => {
      const rows = ids?.length ?? 1;
      return {
        slot: 0,
        ids,
        start,
        positions: Float32Array.from({ length: 3 * rows }, (_, i) => start + i % rows),
        mediaRows: ids && Int32Array.from(ids, (_, i) => i < picture.tokens + sound.tokens ? i : -1),
        blocks: Uint32Array.of(0, 1, 2),
        sample: { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 },
      };
    };
    const drawn = await model.read([
      model.step([step(0, new Uint32Array(count).fill(70))]),
      model.step([step(count, null)]),
    ]);
    assertEquals(drawn.length, 2);
    assertEquals(compiled, loaded);
  } finally {
    model.destroy();
    GPUDevice.prototype.createComputePipeline = createComputePipeline;
  }
});
