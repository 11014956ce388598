/** Kernels of the older families' connectors: softmax of rows, sums of rows, attention over frames. */
import { assert } from "../support/assert.ts";
import { attentionFrames } from "../../src/gpu/kernels.ts";
import { loadLinear } from "../../src/model/linear_load.ts";
import { linear } from "../../src/model/linear.ts";
import { mix, softmax, softmaxDown } from "../../src/model/mix.ts";
import * as reference from "../support/reference.ts";
import { download, gpuTest, noise, roundTo, upload, withCheckpoint, words } from "../support/gpu.ts";

function softmaxOf(values: ArrayLike<number>): number[] {
  const top = Math.max(...Array.from(values));
  const e = Array.from(values, (v) => Math.exp(v - top));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

gpuTest("softmax_rows: widths from 1 to 32,000, large values, down a column", async (runtime) => {
  for (const [rows, cols, scale] of [[1, 1, 1], [3, 150, 5], [2, 63, 80], [2, 32000, 10]]) {
    const x = noise(cols, rows * cols, scale);
    const t = upload(runtime, x, rows, cols);
    const pass = runtime.begin("test");
    softmax(pass, t);
    pass.submit();
    const want = Array.from({ length: rows }, (_, r) => softmaxOf(x.subarray(r * cols, (r + 1) * cols)))
      .flat();
    const error = reference.nmse(await download(runtime, t), want);
    assert(error < 1e-11, `[${rows}, ${cols}]: ${error}`);
  }
  const x = noise(7, 5 * 72, 3);
  const t = upload(runtime, x, 5, 72);
  const pass = runtime.begin("test");
  softmaxDown(pass, t);
  pass.submit();
  const first = softmaxOf([0, 1, 2, 3, 4].map((r) => x[72 * r]));
  const want = x.map((v, i) => i % 72 === 0 ? first[i / 72] : v);
  assert(reference.nmse(await download(runtime, t), want) < 1e-12, "down");
});

gpuTest("mix_rows: means, weights on the device, rows twice and not at all, adding", async (runtime) => {
  const cols = 72;
  const x = noise(1, 6 * cols);
  const start = noise(2, 4 * cols);
  const weight = Float32Array.of(1, 0.5, -2);
  const rows = [[[5, 0]], [[0, 1], [3, 1]], [], [[2, 2], [2, 0], [4, 1]]] as const;
  for (const add of [false, true]) {
    for (const onDevice of [false, true]) {
      const out = upload(runtime, start, 4, cols);
      const input = upload(runtime, x, 6, cols);
      const pass = runtime.begin("test");
      mix(pass, runtime, input, rows, onDevice ? words(runtime, weight) : weight, out, { add });
      pass.submit();
      const want = start.map((v, i) => {
        const parts: readonly (readonly [number, number])[] = rows[Math.floor(i / cols)];
        return parts.reduce((a, [r, w]) => a + weight[w] * x[r * cols + i % cols], add ? v : 0);
      });
      const error = reference.nmse(await download(runtime, out), want);
      assert(error < 1e-13, `add ${add}, on device ${onDevice}: ${error}`);
    }
  }
});

gpuTest("attention_frames: heads of 4, 40 and 640, segments of 1 to 9 rows", async (runtime) => {
  for (const [segments, size, heads, dim] of [[3, 8, 8, 4], [2, 9, 3, 40], [2, 1, 2, 72], [1, 5, 2, 640]]) {
    const rows = segments * size;
    const width = heads * dim;
    const qkv = noise(dim, rows * 3 * width);
    const input = upload(runtime, qkv, rows, 3 * width);
    const out = runtime.memory.tensor("out", rows, width);
    const pass = runtime.begin("test");
    pass.run(attentionFrames, { qkv: input, out }, {
      rows,
      size,
      heads,
      dim,
      qkv_stride: input.stride,
      out_stride: out.stride,
      scale: 1 / Math.sqrt(dim),
    });
    pass.submit();
    const at = (row: number, part: number, h: number, i: number) =>
      qkv[row * 3 * width + part * width + h * dim + i];
    const want = new Float64Array(rows * width);
    for (let r = 0; r < rows; r++) {
      const first = Math.floor(r / size) * size;
      for (let h = 0; h < heads; h++) {
        const scores = Array.from({ length: size }, (_, t) => {
          let sum = 0;
          for (let i = 0; i < dim; i++) sum += at(r, 0, h, i) * at(first + t, 1, h, i);
          return sum / Math.sqrt(dim);
        });
        softmaxOf(scores).forEach((w, t) => {
          for (let i = 0; i < dim; i++) want[r * width + h * dim + i] += w * at(first + t, 2, h, i);
        });
      }
    }
    const error = reference.nmse(await download(runtime, out), want);
    assert(error < 1e-11, `${segments} × ${size}, ${heads} heads of ${dim}: ${error}`);
  }
});

gpuTest("a linear layer from a transposed tensor", async (runtime) => {
  const [n, k, m] = [70, 523, 5];
  for (const dtype of ["F32", "BF16"] as const) {
    const stored = roundTo(dtype, noise(3, k * n));
    const x = noise(4, m * k);
    await withCheckpoint({ "e.weight": { dtype, shape: [k, n], data: stored } }, async (checkpoint) => {
      const layer = loadLinear(runtime, checkpoint, {
        name: "e",
        k,
        sources: [{ name: "e.weight", n, transposed: true }],
        bias: null,
        precision: "f32",
      });
      const out = runtime.memory.tensor("out", m, n);
      const pass = runtime.begin("test");
      linear(pass, layer, upload(runtime, x, m, k), out);
      pass.submit();
      const rows = Float32Array.from({ length: n * k }, (_, i) => stored[i % k * n + Math.floor(i / k)]);
      const error = reference.nmse(await download(runtime, out), reference.linear(x, rows, null, m, n, k));
      assert(error < 1e-11, `${dtype}: ${error}`);
    });
  }
});
