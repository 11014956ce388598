/** matvec and matmul in every format, on awkward shapes, against float64. */
import { assert, assertEquals } from "../support/assert.ts";
import { type Activation, linear, normedLinear } from "../../src/model/linear.ts";
import { loadLinear } from "../../src/model/linear_load.ts";
import { convert } from "../../src/weights/convert.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { floatRows } from "../../src/model/linear_load.ts";
import * as reference from "../support/reference.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import type { Runtime } from "../../src/gpu/runtime.ts";
import {
  download,
  gpuTest,
  noise,
  roundTo,
  type StoredDtype,
  upload,
  withCheckpoint,
} from "../support/gpu.ts";

const TIGHT = 1e-11;

/** The same test with weights in storage buffers and as texels. */
function bothPlaces(name: string, run: (runtime: Runtime) => Promise<void>): void {
  for (const profile of ["threads", "workgroups", "textures", "images"] as const) {
    gpuTest(`${name} (${profile})`, (runtime) => {
      runtime.profile = PROFILES[profile];
      return run(runtime);
    });
  }
}

/** [rows, n, k]: one row, odd rows, an empty tail, widths that are no multiple of 32, MLP 4304. */
const SHAPES: [number, number, number][] = [
  [1, 8, 8],
  [1, 864, 288],
  [3, 77, 72],
  [4, 1072, 288],
  [17, 288, 1072],
  [
    9,
    40,
    4304,
  ],
  [5, 4304, 40],
  [20, 24, 1152],
];

for (const dtype of ["F32", "F16", "BF16"] as StoredDtype[]) {
  bothPlaces(`linear: ${dtype} weights`, async (runtime) => {
    for (const [m, n, k] of SHAPES) {
      const w = roundTo(dtype, noise(n * 7 + k, n * k, 0.2));
      const bias = roundTo(dtype, noise(n, n));
      const x = noise(m + k, m * k);
      await withCheckpoint({
        "l.weight": { dtype, shape: [n, k], data: w },
        "l.bias": { dtype, shape: [n], data: bias },
      }, async (checkpoint) => {
        const layer = loadLinear(runtime, checkpoint, {
          name: "l",
          k,
          sources: [{ name: "l.weight", n }],
          bias: ["l.bias"],
          precision: "f32",
        });
        const out = runtime.memory.tensor("out", m, n);
        const pass = runtime.begin("test");
        linear(pass, layer, upload(runtime, x, m, k), out);
        pass.submit();
        const error = reference.nmse(await download(runtime, out), reference.linear(x, w, bias, m, n, k));
        assert(error < TIGHT, `[${m}, ${n}, ${k}]: NMSE ${error}`);
      });
    }
  });
}

/** Matrices `a` and `b` [n, k] of a checkpoint that the converter wrote, as one layer [2n, k], against float64. */
async function codedCase(
  runtime: Runtime,
  [m, n, k]: [number, number, number],
  bits: number,
  format: string,
  interleave: boolean,
): Promise<void> {
  const weights = ["a", "b"].map((name, i) => ({ name, data: noise(n + k + i, n * k, 0.2) }));
  const stored = weights.map(({ name, data }) => [name, { dtype: "F32" as const, shape: [n, k], data }]);
  await withCheckpoint(Object.fromEntries(stored), async (_, folder) => {
    await convert(folder, `${folder}/coded`, { bits });
    const checkpoint = Checkpoint.open(`${folder}/coded`);
    const sources = weights.map(({ name }) => ({ name, n }));
    const layer = loadLinear(runtime, checkpoint, {
      name: "l",
      k,
      sources: n % 4 ? sources.slice(0, 1) : sources,
      interleave,
      bias: null,
      precision: "f32",
    });
    assertEquals(layer.format, format);
    const x = noise(m + k, m * k);
    const [ya, yb] = weights.map(({ name, data }) => {
      const rounded = floatRows(checkpoint, { name, n }, 0, n, k);
      const error = reference.nmse(rounded, data);
      const [least, most] = checkpoint.coded(name) === "int8" ? [1e-8, 1e-4] : [1e-5, 1e-2];
      assert(error > least && error < most, `${name}: quantisation error ${error}`);
      return reference.linear(x, rounded, null, m, n, k);
    });
    const out = runtime.memory.tensor("out", m, layer.n);
    const pass = runtime.begin("test");
    linear(pass, layer, upload(runtime, x, m, k), out);
    pass.submit();
    const want = Array.from({ length: m * layer.n }, (_, i) => {
      const row = Math.floor(i / layer.n), at = i % layer.n;
      if (layer.n === n) return ya[row * n + at];
      if (!interleave) return at < n ? ya[row * n + at] : yb[row * n + at - n];
      return ((at >> 2) % 2 ? yb : ya)[row * n + (at >> 3) * 4 + at % 4];
    });
    const error = reference.nmse(await download(runtime, out), Float64Array.from(want));
    assert(error < TIGHT, `[${m}, ${n}, ${k}] ${format}: NMSE ${error}`);
    checkpoint.close();
  });
}

bothPlaces("linear: int4 and int8 weights as the converter writes them", async (runtime) => {
  for (const shape of SHAPES) {
    await codedCase(runtime, shape, 5, "int4", false);
    await codedCase(runtime, shape, 9, "int8", false);
  }
});

bothPlaces("linear: int4 beside int8 in one layer, in a row and taken in turn", async (runtime) => {
  for (const [m, n, k] of SHAPES.filter(([_, n]) => n % 8 === 0)) {
    await codedCase(runtime, [m, n, k], 7, "int8", false);
    await codedCase(runtime, [m, n, k], 7, "int8", true);
  }
});

bothPlaces("linear: activations, residual, zero padding", async (runtime) => {
  const [m, n, k] = [5, 76, 40];
  const w = noise(1, n * k, 0.4);
  const x = noise(2, m * k);
  const start = noise(3, m * n);
  await withCheckpoint({ "l.weight": { dtype: "F32", shape: [n, k], data: w } }, async (checkpoint) => {
    const layer = loadLinear(runtime, checkpoint, {
      name: "l",
      k,
      sources: [{ name: "l.weight", n }],
      bias: null,
      precision: "f32",
    });
    const plain = reference.linear(x, w, null, m, n, k);
    for (const rows of [m, 1]) {
      for (const act of Object.keys(reference.activations) as Activation[]) {
        for (const add of [false, true]) {
          const out = upload(runtime, start.subarray(0, rows * n), rows, n);
          const pass = runtime.begin("test");
          linear(pass, layer, upload(runtime, x.subarray(0, rows * k), rows, k), out, { act, add });
          pass.submit();
          const want = plain.slice(0, rows * n).map((v, i) =>
            reference.activations[act](v) + (add ? start[i] : 0)
          );
          const error = reference.nmse(await download(runtime, out), want);
          assert(error < 1e-10, `${act} add ${add} rows ${rows}: NMSE ${error}`);
          const padded = await download(runtime, { ...out, cols: out.stride });
          for (let r = 0; r < rows; r++) {
            for (let c = n; c < out.stride; c++) assertEquals(padded[r * out.stride + c], 0);
          }
        }
      }
    }
  });
});

bothPlaces("linear: gate and up interleaved (SwiGLU)", async (runtime) => {
  const [inner, k] = [72, 40];
  const gate = noise(4, inner * k, 0.5);
  const up = noise(5, inner * k, 0.5);
  await withCheckpoint({
    "gate": { dtype: "F32", shape: [inner, k], data: gate },
    "up": { dtype: "F32", shape: [inner, k], data: up },
  }, async (checkpoint) => {
    const layer = loadLinear(runtime, checkpoint, {
      name: "gate_up",
      k,
      sources: [{ name: "gate", n: inner }, { name: "up", n: inner }],
      interleave: true,
      bias: null,
      precision: "f32",
    });
    for (const m of [1, 10]) {
      const x = noise(m, m * k);
      const out = runtime.memory.tensor("out", m, inner);
      const pass = runtime.begin("test");
      linear(pass, layer, upload(runtime, x, m, k), out, { glu: true });
      pass.submit();
      const g = reference.linear(x, gate, null, m, inner, k);
      const u = reference.linear(x, up, null, m, inner, k);
      const want = g.map((v, i) => reference.activations.silu(v) * u[i]);
      assert(reference.nmse(await download(runtime, out), want) < TIGHT);
    }
  });
});

gpuTest("linear: a layer whose rows pass the binding limit is sharded", async (runtime) => {
  const [m, n, k] = [2, 300, 64];
  const w = noise(6, n * k);
  const x = noise(7, m * k);
  const limit = runtime.gpu.limits.storageBinding;
  await withCheckpoint({ "l.weight": { dtype: "F32", shape: [n, k], data: w } }, async (checkpoint) => {
    runtime.gpu.limits.storageBinding = 128 * k * 4;
    const layer = loadLinear(runtime, checkpoint, {
      name: "l",
      k,
      sources: [{ name: "l.weight", n }],
      bias: null,
      precision: "f32",
    });
    runtime.gpu.limits.storageBinding = limit;
    assertEquals(layer.shards.map((s) => s.first), [0, 128, 256]);
    const out = runtime.memory.tensor("out", m, n);
    const pass = runtime.begin("test");
    linear(pass, layer, upload(runtime, x, m, k), out);
    pass.submit();
    assert(reference.nmse(await download(runtime, out), reference.linear(x, w, null, m, n, k)) < TIGHT);
  });
});

bothPlaces("linear: RMSNorm on the way equals RMSNorm before", async (runtime) => {
  for (const [m, n, k] of [[1, 40, 72], [3, 24, 256], [9, 40, 72], [21, 24, 256]]) {
    const w = noise(8, n * k, 0.3);
    const x = noise(9, m * k, 2);
    const gain = noise(10, k);
    const bias = noise(11, n);
    const tensors = {
      "l": { dtype: "F32" as const, shape: [n, k], data: w },
      "b": { dtype: "F32" as const, shape: [n], data: bias },
    };
    await withCheckpoint(tensors, async (checkpoint) => {
      const sources = [{ name: "l", n }];
      const layer = loadLinear(runtime, checkpoint, { name: "l", k, sources, bias: ["b"], precision: "f32" });
      const out = runtime.memory.tensor("out", m, n);
      const pass = runtime.begin("test");
      const norm = { weight: upload(runtime, gain, 1, k), eps: 1e-3 };
      const done = normedLinear(pass, norm, layer, upload(runtime, x, m, k), out);
      // In storage buffers many rows are normalised first; texels are read by one kernel for any number of rows.
      assertEquals(done, m <= 3 || runtime.profile.memory === "texture");
      if (!done) return pass.submit();
      pass.submit();
      const normed = Float32Array.from(reference.rmsnorm(x, gain, m, k, 1e-3));
      const error = reference.nmse(await download(runtime, out), reference.linear(normed, w, bias, m, n, k));
      assert(error < TIGHT, `[${m}, ${n}, ${k}]: NMSE ${error}`);
    });
  }
});
