/**
 * What suits this device, by measurement: int4 products with one row and with many, weights in storage buffers (a
 * thread has whole rows, or a workgroup shares one; tiles in registers, or in workgroup memory) and as texels.
 * CPU drivers (lavapipe, SwiftShader) and cards want opposite things.
 */
import { matmul, matmulTiled, matvec, matvecSplit, matvecTexture } from "./kernels.ts";
import type { Pass } from "./pass.ts";
import type { Profile } from "./profiles.ts";
import type { Runtime } from "./runtime.ts";
import { TEXEL_ROW } from "./tensor.ts";

const N = 1024;
const K = 1024;
/** Rows of the product with many rows. */
const M = 64;

/** Milliseconds of one dispatch: (time of many − time of one) / difference, each the least of three. */
async function time(runtime: Runtime, record: (pass: Pass) => void): Promise<number> {
  const once = async (count: number): Promise<number> => {
    const pass = runtime.begin("profile");
    for (let i = 0; i < count; i++) record(pass);
    const start = performance.now();
    pass.submit();
    await runtime.gpu.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  await once(1);
  let many = Infinity, one = Infinity;
  for (let i = 0; i < 3; i++) {
    many = Math.min(many, await once(9));
    one = Math.min(one, await once(1));
  }
  return Math.max(many - one, 0) / 8;
}

/** Measures and returns the choices; about a second, most of it compilation. */
export async function measureProfile(runtime: Runtime): Promise<Profile> {
  const { memory } = runtime;
  const words = new Uint32Array(N * K / 8 + N * K / 32).fill(0x2c002c00);
  const x = memory.tensor("profile x", M, K);
  const out = memory.tensor("profile out", M, N);
  const bias = memory.tensor("profile bias", 1, N);
  const raw = memory.upload("profile weight", words);
  const texels = memory.texels("profile texels", words);
  const size = N * K / 8;
  const view = (offset: number, cols: number) => ({
    buf: raw,
    offset: offset * 4,
    rows: 1,
    cols,
    stride: cols,
  });
  const buffers = { x, weight: view(0, size), scales: view(size, N * K / 32), bias, out };
  const shape = { quads: N / 4, words: K / 8, x_stride: K / 4, out_stride: N / 4 };
  const one = { ...shape, rows: 1, cols: K, eps: 0 };
  const many = { ...shape, rows: M };
  const window = { x_first: 0, out_first: 0, scales_at: size / 4 };
  const FORMAT = 3;
  const before = runtime.profile;
  const texelTime = async (way: Profile["texels"]): Promise<number> => {
    runtime.profile = { ...before, texels: way };
    const buffers = { x, weight: texels, bias, norm: bias, out };
    const ms = await time(
      runtime,
      (p) => p.run(matvecTexture, buffers, { ...one, ...window }, { FORMAT, QUADS: 4 }),
    );
    runtime.profile = before;
    return ms;
  };
  const vec = {
    rows: await time(runtime, (p) => p.run(matvec, { ...buffers, norm: bias }, one, { FORMAT })),
    split: await time(runtime, (p) => p.run(matvecSplit, { ...buffers, norm: bias }, one, { FORMAT })),
    sampled: await texelTime("sampled"),
    storage: runtime.gpu.has.storageReads ? await texelTime("storage") : Infinity,
  };
  const texture = Math.min(vec.sampled, vec.storage);
  const textures = texture < Math.min(vec.rows, vec.split) && runtime.gpu.limits.textureRows >= TEXEL_ROW;
  let mat = { rows: 0, tiled: 0 };
  if (!textures) { // with textures there is one product for many rows
    mat = {
      rows: await time(runtime, (p) => p.run(matmul, buffers, many, { FORMAT })),
      tiled: await time(runtime, (p) => p.run(matmulTiled, buffers, many, { FORMAT })),
    };
  }
  for (const t of [x, out, bias]) memory.free(t.buf);
  memory.free(raw);
  memory.freeTexels(texels);
  runtime.forgetGroups();
  return {
    memory: textures ? "texture" : "buffer",
    texels: textures && vec.storage < vec.sampled ? "storage" : "sampled",
    matvec: vec.split < vec.rows ? "split" : "rows",
    matmul: mat.tiled < mat.rows ? "tiled" : "rows",
    attention: mat.tiled < mat.rows ? "tiled" : "rows", // the same question: is workgroup memory worth its barriers?
  };
}
