/** Media and weights larger than one binding are worked on in slices; the numbers stay the same. */
import { assert, assertEquals } from "../support/assert.ts";
import { attend, createKeyValues } from "../../src/model/attention.ts";
import { norm } from "../../src/model/blocks.ts";
import { linear } from "../../src/model/linear.ts";
import { loadLinear } from "../../src/model/linear_load.ts";
import { segmentsOf } from "../../src/model/segments.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import { rowSlices } from "../../src/gpu/tensor.ts";
import { download, gpuTest, noise, upload, withCheckpoint, words } from "../support/gpu.ts";

for (const profile of ["threads", "textures"] as const) {
  gpuTest(`norm, linear and attention in slices equal the whole (${profile})`, async (runtime) => {
    runtime.profile = PROFILES[profile];
    const [rows, heads, dim] = [200, 2, 72];
    const width = heads * dim;
    const x = noise(1, rows * width);
    const w = noise(2, 3 * width * width, 0.2);
    const angles = noise(3, rows * dim);
    await withCheckpoint(
      { "qkv": { dtype: "F32", shape: [3 * width, width], data: w } },
      async (checkpoint) => {
        const layer = loadLinear(runtime, checkpoint, {
          name: "qkv",
          k: width,
          sources: [{ name: "qkv", n: 3 * width }],
          bias: null,
          precision: "f32",
        });
        const weight = upload(runtime, noise(4, width), 1, width);
        const run = async (): Promise<[Float32Array, number]> => {
          const input = upload(runtime, x, rows, width);
          const y = runtime.memory.tensor("y", rows, width);
          const qkv = runtime.memory.tensor("qkv", rows, 3 * width);
          const before = runtime.counters.dispatches;
          const pass = runtime.begin("test");
          norm(pass, { weight, bias: null, eps: 1e-6 }, input, y);
          linear(pass, layer, y, qkv);
          const a = { qkv, heads, kvHeads: heads, dim, norms: null, angles: words(runtime, angles) };
          const kv = createKeyValues(runtime, "test", rows, heads, dim, "f32");
          attend(pass, { ...a, ...segmentsOf(runtime, rows, 150) }, kv, y);
          pass.submit();
          return [await download(runtime, y), runtime.counters.dispatches - before];
        };
        const [whole, few] = await run();
        const limit = runtime.gpu.limits.storageBinding;
        runtime.gpu.limits.storageBinding = 130 * width * 4; // 130 rows of x, but only 43 of qkv
        assertEquals([...rowSlices(runtime.gpu, rows, width)], [[0, 128], [128, 72]]);
        let refused = false;
        try {
          [...rowSlices(runtime.gpu, rows, 3 * width)];
        } catch {
          refused = true;
        }
        assert(refused, "fewer than 64 rows a binding is refused");
        runtime.gpu.limits.storageBinding = 150 * 3 * width * 4; // 128 of the 200 rows of qkv a slice
        const [sliced, more] = await run();
        runtime.gpu.limits.storageBinding = limit;
        assert(more > few, `${more} dispatches, ${few} for the whole`);
        assertEquals(sliced, whole);
      },
    );
  });
}
