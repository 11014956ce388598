/** int4 layers of several tensors stream to the device as they lie on disk; the result is what their values give. */
import { linear } from "../../src/model/linear.ts";
import { floatRows, loadLinear } from "../../src/model/linear_load.ts";
import type { LinearSpec } from "../../src/model/linear_spec.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { readRanges } from "../../src/model/transfer.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import type { Runtime } from "../../src/gpu/runtime.ts";
import { PIECE, Upload } from "../../src/gpu/upload.ts";
import { convert } from "../../src/weights/convert.ts";
import { openVerified } from "../../src/weights/verify.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { download, gpuTest, noise, upload, withCheckpoint } from "../support/gpu.ts";
import * as reference from "../support/reference.ts";

const K = 200;

/** A converted folder with the matrices a [n, K] … of these rows. */
function withInt4<T>(
  rows: Record<string, number>,
  use: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const tensors = Object.fromEntries(
    Object.entries(rows).map(([name, n], i) => [
      name,
      { dtype: "F32" as const, shape: [n, K], data: noise(i + 1, n * K, 0.2) },
    ]),
  );
  return withCheckpoint(tensors, async (_, folder) => {
    await convert(folder, `${folder}/out`, { workers: 0 });
    const checkpoint = Checkpoint.open(`${folder}/out`, openVerified(`${folder}/out`, "fast"));
    try {
      return await use(checkpoint);
    } finally {
      checkpoint.close();
    }
  });
}

async function product(runtime: Runtime, checkpoint: Checkpoint, spec: LinearSpec, x: Float32Array) {
  const layer = loadLinear(runtime, checkpoint, spec);
  const out = runtime.memory.tensor("out", 2, layer.n);
  const pass = runtime.begin("test");
  linear(pass, layer, upload(runtime, x, 2, K), out);
  pass.submit();
  return { layer, result: await download(runtime, out) };
}

for (const profile of ["threads", "textures"] as const) {
  gpuTest(`int4: concatenated, interleaved and sharded (${profile})`, async (runtime) => {
    runtime.profile = PROFILES[profile];
    const rows = { q: 204, k: 60, v: 77, gate: 96, up: 96 };
    await withInt4(rows, async (checkpoint) => {
      const x = noise(9, 2 * K);
      const values = (name: keyof typeof rows) =>
        floatRows(checkpoint, { name, n: rows[name] }, 0, rows[name], K);
      const spec = { name: "test", k: K, bias: null, precision: "f32" as const };
      const source = (name: keyof typeof rows) => ({ name, n: rows[name] });
      const { limits } = runtime.gpu;
      const { storageBinding, textureRows } = limits;
      for (const small of [false, true]) {
        // 128 rows a shard: 341 rows in three.
        if (small) Object.assign(limits, { storageBinding: 128 * 25 * 4, textureRows: 1 });
        const qkv = await product(runtime, checkpoint, {
          ...spec,
          sources: [source("q"), source("k"), source("v")],
        }, x);
        if (small && profile === "threads") assertEquals(qkv.layer.shards.map((s) => s.first), [0, 128, 256]);
        Object.assign(limits, { storageBinding, textureRows });
        const all = Float32Array.from([...values("q"), ...values("k"), ...values("v")]);
        const wanted = reference.linear(x, all, new Float32Array(341), 2, 341, K);
        assert(reference.nmse(qkv.result, wanted) < 1e-10, `qkv ${reference.nmse(qkv.result, wanted)}`);
      }
      const both = await product(runtime, checkpoint, {
        ...spec,
        sources: [source("gate"), source("up")],
        interleave: true,
      }, x);
      const gate = values("gate"), up = values("up");
      const taken = new Float32Array(192 * K);
      for (let r = 0; r < 96; r++) {
        const to = 8 * (r >> 2) + (r & 3);
        taken.set(gate.subarray(r * K, (r + 1) * K), to * K);
        taken.set(up.subarray(r * K, (r + 1) * K), (to + 4) * K);
      }
      const wanted = reference.linear(x, taken, new Float32Array(192), 2, 192, K);
      assert(reference.nmse(both.result, wanted) < 1e-10, "gate and up");
      checkpoint.finishChecks();
      const broken = { ...spec, sources: [source("v"), source("k")] };
      await assertThrows(
        () => loadLinear(runtime, checkpoint, broken),
        /77 rows of v cannot be taken by fours/,
      );
      const wide = { ...spec, k: K + 8, sources: [source("q")] };
      await assertThrows(() => loadLinear(runtime, checkpoint, wide), /q\.int4: it is \[51,25,4\]/);
    });
  });
}

gpuTest("upload: pieces of any length arrive in order, in buffers and texels", async (runtime) => {
  const total = 3 * PIECE + 48 * 1024 + 16;
  const data = new Uint8Array(total);
  const words = new Uint32Array(data.buffer);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2654435761);
  const staging = new Uint8Array(PIECE);
  const buffer = runtime.memory.buffer("test", total);
  const targets = [
    { target: buffer, of: { buf: buffer, offset: 0, rows: 1, cols: total / 4, stride: total / 4 } },
    (() => {
      const texels = runtime.memory.emptyTexels("test", total / 16);
      return { target: texels, of: texels };
    })(),
  ];
  for (const { target, of } of targets) {
    const sink = new Upload(runtime.gpu, target, staging);
    for (let at = 0, step = 16; at < total; step = Math.min(PIECE, step * 3)) {
      const length = Math.min(step, total - at);
      sink.take(length).set(data.subarray(at, at + length));
      at += length;
    }
    sink.end();
    const back = await readRanges(runtime, [{ of, offset: 0, size: total }]);
    assert(back.every((byte, i) => byte === data[i]), "view" in of ? "texels" : "buffer");
  }
});
