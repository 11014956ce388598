/** Attention over the paged cache and over whole segments, in storage buffers and in textures. */
import { assert, assertEquals } from "../support/assert.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import type { Runtime } from "../../src/gpu/runtime.ts";
import { toHalf } from "../../src/gpu/safetensors.ts";
import { type Tensor, Workspace } from "../../src/gpu/tensor.ts";
import { attend, createKeyValues, type KvPrecision, tilesOf } from "../../src/model/attention.ts";
import { fillAngles, interleavedMrope } from "../../src/model/rope.ts";
import { segmentsOf } from "../../src/model/segments.ts";
import { patchPlaces, rotaryAngles2d } from "../../src/model/vision_positions.ts";
import * as reference from "../support/reference.ts";
import { download, gpuTest, noise, random, upload, words } from "../support/gpu.ts";

const BLOCK = 4;

/** The same test with keys and values in storage buffers and in textures. */
function bothPlaces(name: string, run: (runtime: Runtime) => Promise<void>): void {
  for (const profile of ["threads", "workgroups", "textures", "images"] as const) {
    gpuTest(`${name} (${profile})`, (runtime) => {
      runtime.profile = PROFILES[profile];
      return run(runtime);
    });
  }
}

function tilesTensor(runtime: Runtime, runs: number[]): Tensor {
  const data = tilesOf(runs);
  return {
    ...words(runtime, data),
    rows: data.length / 2,
    cols: 2,
    stride: 2,
    bytes: Math.max(16, data.byteLength),
  };
}

function headNorms(runtime: Runtime, q: Float32Array, k: Float32Array) {
  const both = upload(runtime, Float32Array.from([...q, ...k]), 1, 2 * q.length);
  return { q: upload(runtime, q, 1, q.length), k: upload(runtime, k, 1, k.length), both, eps: 1e-6 };
}

/** One causal sequence whose blocks lie scattered, with per-head norms and fractional positions. */
async function pagedCase(
  runtime: Runtime,
  heads: number,
  kvHeads: number,
  dim: number,
  length: number,
  precision: KvPrecision,
) {
  const width = (heads + 2 * kvHeads) * dim;
  const qkv = noise(length + dim, length * width);
  const [qNorm, kNorm] = [noise(1, dim), noise(2, dim)];
  const rope = interleavedMrope(dim, 10000, [24, 20, 20]);
  const positions = noise(3, 3 * length, 9);
  const angles = new Float32Array(length * dim);
  fillAngles(rope, positions, length, angles, 0);
  const next = random(9);
  const count = Math.ceil(length / BLOCK);
  const blocks = Array.from({ length: count }, (_, i) => i + 2).sort(() => next() - 0.5);
  const own = (t: number) => blocks[Math.floor(t / BLOCK)] * BLOCK + t % BLOCK;
  const place = Uint32Array.from({ length: 4 * length }, (_, i) => [3, (i >> 2) + 1, own(i >> 2), 0][i % 4]);
  const tables = Uint32Array.of(0, 0, 0, ...blocks);
  const kv = createKeyValues(runtime, "test", (count + 2) * BLOCK, kvHeads, dim, precision);
  const out = runtime.memory.tensor("out", length, heads * dim);
  const pass = runtime.begin("test");
  attend(
    pass,
    {
      qkv: upload(runtime, qkv, length, width),
      heads,
      kvHeads,
      dim,
      norms: headNorms(runtime, qNorm, kNorm),
      angles: words(runtime, angles),
      place: words(runtime, place),
      tables: words(runtime, tables),
      block: BLOCK,
      tiles: tilesTensor(runtime, [length]),
    },
    kv,
    out,
  );
  pass.submit();

  const turned = Float64Array.from(qkv);
  for (let t = 0; t < length; t++) {
    for (let h = 0; h < heads + kvHeads; h++) {
      const at = t * width + h * dim;
      const weight = h < heads ? qNorm : kNorm;
      const row = reference.rmsnorm(qkv.subarray(at, at + dim), weight, 1, dim, 1e-6);
      for (let i = 0; i < dim / 2; i++) {
        const angle = positions[rope.axis[i] * length + t] * rope.frequencies[i];
        turned[at + i] = row[i] * Math.cos(angle) - row[i + dim / 2] * Math.sin(angle);
        turned[at + i + dim / 2] = row[i + dim / 2] * Math.cos(angle) + row[i] * Math.sin(angle);
      }
    }
  }
  const want = new Float64Array(length * heads * dim);
  for (let t = 0; t < length; t++) {
    for (let h = 0; h < heads; h++) {
      const g = Math.floor(h / (heads / kvHeads));
      const q = turned.subarray(t * width + h * dim, t * width + (h + 1) * dim);
      const key = (u: number, i: number) => turned[u * width + (heads + g) * dim + i];
      const value = (u: number, i: number) => turned[u * width + (heads + kvHeads + g) * dim + i];
      want.set(reference.attend(q, dim, 0, t + 1, key, value), (t * heads + h) * dim);
    }
  }
  return reference.nmse(await download(runtime, out), want);
}

bothPlaces("attention over the cache: grouped heads, scattered blocks, one to many keys", async (runtime) => {
  for (
    const [heads, kvHeads, dim, length] of [[4, 2, 128, 1], [4, 2, 128, 37], [6, 3, 64, 70], [5, 1, 72, 33]]
  ) {
    const error = await pagedCase(runtime, heads, kvHeads, dim, length, "f32");
    assert(error < 1e-11, `[${heads}, ${kvHeads}, ${dim}, ${length}]: NMSE ${error}`);
  }
});

bothPlaces("attention over a cache in half precision", async (runtime) => {
  for (const dim of [128, 64, 16]) {
    const error = await pagedCase(runtime, 4, 2, dim, 50, "f16");
    assert(error > 1e-10 && error < 1e-6, `NMSE ${error}`);
  }
});

bothPlaces(
  "attention over a cache in int8: error as large as a byte allows, and not larger",
  async (runtime) => {
    for (const [dim, length] of [[128, 50], [64, 33], [32, 1], [96, 20]]) {
      const error = await pagedCase(runtime, 4, 2, dim, length, "int8");
      assert(error > 1e-6 && error < 5e-5, `[${dim}, ${length}]: NMSE ${error}`);
    }
  },
);

bothPlaces(
  "attention within segments: odd sizes, head_dim 72 with 2-D rotary, and without",
  async (runtime) => {
    for (
      const [heads, dim, rows, size, turned] of [
        [3, 72, 96, 48, 1],
        [2, 64, 101, 37, 0],
        [2, 80, 24, 24, 1],
        [1, 8, 1, 1, 0],
      ]
    ) {
      const width = heads * dim;
      const qkv = noise(rows, rows * 3 * width);
      const grid = rows === 96 ? [2, 6, 8] : [1, 4, 6];
      const angles = turned ? rotaryAngles2d(patchPlaces(grid, 2), dim) : null;
      const segments = segmentsOf(runtime, rows, size);
      const kv = createKeyValues(runtime, "test", rows, heads, dim, "f32");
      const out = runtime.memory.tensor("out", rows, width);
      const pass = runtime.begin("test");
      attend(
        pass,
        {
          qkv: upload(runtime, qkv, rows, 3 * width),
          heads,
          kvHeads: heads,
          dim,
          norms: null,
          angles: angles && words(runtime, angles),
          ...segments,
        },
        kv,
        out,
      );
      pass.submit();
      const x = Float64Array.from(qkv);
      for (let r = 0; angles && r < rows; r++) {
        for (let h = 0; h < 2 * heads; h++) {
          for (let i = 0; i < dim / 2; i++) {
            const [c, s] = [angles[r * dim + 2 * i], angles[r * dim + 2 * i + 1]];
            const at = r * 3 * width + h * dim + i;
            x[at] = qkv[at] * c - qkv[at + dim / 2] * s;
            x[at + dim / 2] = qkv[at + dim / 2] * c + qkv[at] * s;
          }
        }
      }
      const want = new Float64Array(rows * width);
      for (let r = 0; r < rows; r++) {
        const first = Math.floor(r / size) * size;
        for (let h = 0; h < heads; h++) {
          const q = x.subarray(r * 3 * width + h * dim, r * 3 * width + (h + 1) * dim);
          const key = (t: number, i: number) => x[t * 3 * width + width + h * dim + i];
          const value = (t: number, i: number) => x[t * 3 * width + 2 * width + h * dim + i];
          const to = Math.min(rows, first + size);
          want.set(reference.attend(q, dim, first, to, key, value), r * width + h * dim);
        }
      }
      const error = reference.nmse(await download(runtime, out), want);
      assert(error < 1e-11, `[${heads}, ${dim}, ${rows}]: NMSE ${error}`);
    }
  },
);

/** Arbitrary bytes and a factor for each head of each place, as the cache has them. */
function int8Places(values: Float32Array, dim: number): Uint32Array<ArrayBuffer> {
  const words = dim / 4 + 4;
  const out = new Uint32Array(values.length / dim * words);
  const factors = new Float32Array(out.buffer);
  for (let i = 0; i < values.length / dim; i++) {
    for (let j = 0; j < dim / 4; j++) {
      out[i * words + j] = Math.imul(i * dim + j + 1, 2654435761) & 0x7f7f7f7f;
    }
    factors[i * words + dim / 4] = 0.5 + Math.abs(values[i * dim]);
  }
  return out;
}

gpuTest(
  "decode in one dispatch equals the general path, split contexts and unequal lengths too",
  async (runtime) => {
    const [heads, kvHeads] = [4, 2];
    const cases: [KvPrecision, number, number[]][] = [
      ["f32", 72, [1, 70, 1100]],
      ["f32", 128, [33]],
      ["f16", 64, [5, 64]],
      ["int8", 128, [7, 65]],
    ];
    for (const [precision, dim, lengths] of cases) {
      const width = (heads + 2 * kvHeads) * dim;
      const rows = lengths.length;
      const perRow = Math.ceil(Math.max(...lengths) / BLOCK);
      const values = noise(21, rows * perRow * BLOCK * kvHeads * dim);
      const cached = precision === "f32"
        ? values
        : precision === "f16"
        ? Uint16Array.from(values, toHalf)
        : int8Places(values, dim);
      const place = lengths.flatMap((l, r) => [r * perRow, l, r * perRow * BLOCK + l - 1, 0]);
      const angles = Float32Array.from({ length: rows * dim }, (_, i) => i % 2 ? 0.6 : 0.8);
      const results: Float32Array[] = [];
      for (const fused of [false, true]) {
        const kv = createKeyValues(runtime, "test", rows * perRow * BLOCK, kvHeads, dim, precision);
        if (kv.kind === "texture") throw new Error("storage buffers were expected");
        for (const store of [kv.k, kv.v]) runtime.memory.write(store.buf, 0, cached);
        const out = runtime.memory.tensor("out", rows, heads * dim);
        const before = runtime.counters.dispatches;
        const pass = runtime.begin("test");
        attend(
          pass,
          {
            qkv: upload(runtime, noise(24, rows * width), rows, width),
            heads,
            kvHeads,
            dim,
            norms: headNorms(runtime, noise(22, dim), noise(23, dim)),
            angles: words(runtime, angles),
            place: words(runtime, Uint32Array.from(place)),
            tables: words(runtime, Uint32Array.from({ length: rows * perRow }, (_, i) => i)),
            block: BLOCK,
            decodeKeys: fused ? Math.max(...lengths) : 0,
            work: new Workspace(runtime.memory),
          },
          kv,
          out,
        );
        pass.submit();
        if (fused) assertEquals(runtime.counters.dispatches - before, lengths.includes(1100) ? 2 : 1);
        results.push(await download(runtime, out));
      }
      const error = reference.nmse(results[1], results[0]);
      assert(error < 1e-11, `${precision} ${lengths}: NMSE ${error}`);
    }
  },
);
