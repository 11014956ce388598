/**
 * What suits this device, by measurement: the same int4 matrix-vector product with weights in storage buffers and as
 * texels. CPU drivers (lavapipe, SwiftShader) differ by up to ten times, discrete cards hardly.
 */
import { matvec, matvecTexture } from "./kernels.ts";
import type { Pass, Profile, Runtime } from "./pass.ts";
import { TEXEL_ROW } from "./tensor.ts";

const N = 1024;
const K = 1024;

/** Milliseconds of one dispatch: (time of many − time of one) / difference, the least of three. */
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
  let best = Infinity;
  for (let i = 0; i < 3; i++) best = Math.min(best, (await once(9) - await once(1)) / 8);
  return Math.max(best, 0);
}

/** Measures and returns the choices; a few hundred milliseconds, most of it compilation. */
export async function measureProfile(runtime: Runtime): Promise<Profile> {
  const { memory } = runtime;
  const words = new Uint32Array(N * K / 8 + N * K / 32).fill(0x2c002c00);
  const x = memory.tensor("profile x", 1, K);
  const out = memory.tensor("profile out", 1, N);
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
  const shape = { rows: 1, quads: N / 4, words: K / 8, x_stride: K / 4, out_stride: N / 4, cols: K, eps: 0 };
  const buffer = await time(
    runtime,
    (pass) =>
      pass.run(
        matvec,
        { x, weight: view(0, size), scales: view(size, N * K / 32), bias, norm: bias, out },
        shape,
        {
          FORMAT: 3,
        },
      ),
  );
  const texture = await time(runtime, (pass) =>
    pass.run(
      matvecTexture,
      { x, weight: texels, bias, norm: bias, out },
      { ...shape, x_first: 0, out_first: 0, scales_at: size / 4 },
      { FORMAT: 3 },
    ));
  for (const t of [x, out, bias]) memory.free(t.buf);
  memory.free(raw);
  memory.freeTexels(texels);
  runtime.forgetGroups();
  return { memory: texture < buffer && runtime.gpu.limits.textureRows >= TEXEL_ROW ? "texture" : "buffer" };
}
