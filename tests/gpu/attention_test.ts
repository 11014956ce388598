/** Attention over the paged cache and over whole segments, and the step that fills the cache. */
import { assert } from "../support/assert.ts";
import { attentionFull, attentionPaged, qkvRope } from "../../src/gpu/kernels.ts";
import type { Runtime } from "../../src/gpu/pass.ts";
import { fillAngles, interleavedMrope } from "../../src/model/rope.ts";
import * as reference from "../support/reference.ts";
import { download, gpuTest, noise, random, upload, words } from "../support/gpu.ts";

const BLOCK = 4;

/** Runs qkv_rope and attention_paged for one sequence whose blocks lie scattered; compares with float64. */
async function pagedCase(runtime: Runtime, heads: number, kvHeads: number, dim: number, length: number, half: boolean) {
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
  const place = Uint32Array.from({ length }, (_, t) => blocks[Math.floor(t / BLOCK)] * BLOCK + t % BLOCK);
  const extent = Uint32Array.from({ length: 2 * length }, (_, i) => i % 2 ? (i >> 1) + 1 : 3);
  const tables = Uint32Array.of(0, 0, 0, ...blocks);
  const cacheWords = (count + 2) * BLOCK * kvHeads * dim / (half ? 2 : 1);
  const cache = () => ({ ...words(runtime, new Uint32Array(cacheWords)) });
  const [k, v] = [cache(), cache()];
  const rows = upload(runtime, qkv, length, width);
  const out = runtime.memory.tensor("out", length, heads * dim);
  const dims = { rows: length, heads, kv_heads: kvHeads, dim };
  const pass = runtime.begin("test");
  pass.run(qkvRope, {
    angles: words(runtime, angles),
    q_norm: words(runtime, qNorm),
    k_norm: words(runtime, kNorm),
    place: words(runtime, place),
    qkv: rows,
    k_cache: k,
    v_cache: v,
  }, { ...dims, stride: rows.stride, eps: 1e-6 }, { HALF: half ? 1 : 0 });
  pass.run(attentionPaged, {
    q: rows,
    k_cache: k,
    v_cache: v,
    extent: words(runtime, extent),
    tables: words(runtime, tables),
    out,
  }, { ...dims, q_stride: rows.stride, out_stride: out.stride, block: BLOCK, scale: 1 / Math.sqrt(dim) }, {
    HALF: half ? 1 : 0,
  });
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

gpuTest("qkv_rope and attention_paged: grouped heads, scattered blocks, one to many keys", async (runtime) => {
  for (const [heads, kvHeads, dim, length] of [[4, 2, 128, 1], [4, 2, 128, 37], [6, 3, 64, 70], [5, 1, 72, 33]]) {
    const error = await pagedCase(runtime, heads, kvHeads, dim, length, false);
    assert(error < 1e-11, `[${heads}, ${kvHeads}, ${dim}, ${length}]: NMSE ${error}`);
  }
});

gpuTest("attention over a cache in half precision", async (runtime) => {
  const error = await pagedCase(runtime, 4, 2, 128, 50, true);
  assert(error > 1e-10 && error < 1e-6, `NMSE ${error}`);
});

gpuTest("attention_full: segments of one to many rows, head_dim 72", async (runtime) => {
  const [heads, dim] = [3, 72];
  const ends = [1, 34, 36, 101];
  const rows = 101;
  const width = heads * dim;
  const qkv = noise(11, rows * 3 * width);
  const segment = new Uint32Array(rows * 2);
  let first = 0;
  for (const end of ends) {
    for (let r = first; r < end; r++) segment.set([first, end], 2 * r);
    first = end;
  }
  const out = runtime.memory.tensor("out", rows, width);
  const input = upload(runtime, qkv, rows, 3 * width);
  const pass = runtime.begin("test");
  pass.run(attentionFull, { qkv: input, segment: words(runtime, segment), out }, {
    rows,
    heads,
    dim,
    stride: input.stride,
    out_stride: out.stride,
    scale: 1 / Math.sqrt(dim),
  });
  pass.submit();
  const want = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      const q = qkv.subarray(r * 3 * width + h * dim, r * 3 * width + (h + 1) * dim);
      const key = (t: number, i: number) => qkv[t * 3 * width + width + h * dim + i];
      const value = (t: number, i: number) => qkv[t * 3 * width + 2 * width + h * dim + i];
      want.set(reference.attend(q, dim, segment[2 * r], segment[2 * r + 1], key, value), r * width + h * dim);
    }
  }
  const error = reference.nmse(await download(runtime, out), want);
  assert(error < 1e-11, `NMSE ${error}`);
});
