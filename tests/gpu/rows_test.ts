/** Kernels that work row by row: norms, gathers, positions, convolution patches. */
import { assert, assertEquals } from "../support/assert.ts";
import { convPatches, positionBilinear } from "../../src/gpu/kernels.ts";
import { gather, norm } from "../../src/model/blocks.ts";
import { bilinearCorners, patchPlaces } from "../../src/model/vision_positions.ts";
import * as reference from "../support/reference.ts";
import { download, gpuTest, noise, upload, words } from "../support/gpu.ts";

const WIDTHS = [1, 8, 63, 72, 288, 1072, 4304];

gpuTest("rmsnorm and layernorm: widths from 1 to 4304, values near eps", async (runtime) => {
  for (const cols of WIDTHS) {
    for (const [rows, scale, eps] of [[1, 1, 1e-6], [5, 1e-3, 1e-6], [3, 10, 1e-5]]) {
      const x = noise(cols, rows * cols, scale);
      const weight = noise(cols + 1, cols);
      const bias = noise(cols + 2, cols);
      const w = upload(runtime, weight, 1, cols);
      const b = upload(runtime, bias, 1, cols);
      const input = upload(runtime, x, rows, cols);
      const rms = runtime.memory.tensor("rms", rows, cols);
      const layer = runtime.memory.tensor("layer", rows, cols);
      const pass = runtime.begin("test");
      norm(pass, { weight: w, bias: null, eps }, input, rms);
      norm(pass, { weight: w, bias: b, eps }, input, layer);
      pass.submit();
      const e1 = reference.nmse(await download(runtime, rms), reference.rmsnorm(x, weight, rows, cols, eps));
      const e2 = reference.nmse(
        await download(runtime, layer),
        reference.layernorm(x, weight, bias, rows, cols, eps),
      );
      assert(e1 < 1e-12, `rmsnorm [${rows}, ${cols}]: ${e1}`);
      assert(e2 < 1e-11, `layernorm [${rows}, ${cols}]: ${e2}`);
    }
  }
});

gpuTest("gather_rows: left-alone rows, adding, a table", async (runtime) => {
  const [rows, cols] = [7, 72];
  const x = noise(1, 9 * cols);
  const start = noise(2, rows * cols);
  const table = noise(3, 4 * cols);
  const index = Uint32Array.of(8, 0xffffffff, 0, 3, 3, 0xffffffff, 1);
  const other = Uint32Array.of(0, 1, 2, 3, 0, 1, 2);
  for (const add of [false, true]) {
    for (const withTable of [false, true]) {
      const out = upload(runtime, start, rows, cols);
      const pass = runtime.begin("test");
      gather(pass, upload(runtime, x, 9, cols), words(runtime, index), out, {
        add,
        table: withTable ? upload(runtime, table, 4, cols) : undefined,
        other: words(runtime, other),
      });
      pass.submit();
      const want = start.map((v, i) => {
        const r = Math.floor(i / cols);
        if (index[r] === 0xffffffff) return v;
        const c = i % cols;
        return Math.fround(
          Math.fround(x[index[r] * cols + c] + (withTable ? table[other[r] * cols + c] : 0)) + (add ? v : 0),
        );
      });
      assert(reference.nmse(await download(runtime, out), want) < 1e-14, `add ${add}, table ${withTable}`);
    }
  }
});

gpuTest("position_bilinear: a grid that is no square, more frames than one", async (runtime) => {
  const [grid, side, cols] = [[2, 6, 10], 8, 72];
  const rows = grid[0] * grid[1] * grid[2];
  const table = noise(4, side * side * cols);
  const x = noise(5, rows * cols);
  const places = patchPlaces(grid, 2);
  const { corners, weights } = bilinearCorners(grid, places, side);
  const out = upload(runtime, x, rows, cols);
  const pass = runtime.begin("test");
  pass.run(positionBilinear, {
    corner: words(runtime, corners),
    mix4: words(runtime, weights),
    table: upload(runtime, table, side * side, cols),
    x: out,
  }, { rows, cols, x_stride: cols, table_stride: cols });
  pass.submit();
  const want = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const y = places[2 * r] * (side - 1) / (grid[1] - 1);
    const z = places[2 * r + 1] * (side - 1) / (grid[2] - 1);
    const [y0, z0] = [Math.floor(y), Math.floor(z)];
    const [y1, z1] = [Math.min(y0 + 1, side - 1), Math.min(z0 + 1, side - 1)];
    for (let c = 0; c < cols; c++) {
      const at = (a: number, b: number) => table[(a * side + b) * cols + c];
      const top = at(y0, z0) * (1 - (z - z0)) + at(y0, z1) * (z - z0);
      const bottom = at(y1, z0) * (1 - (z - z0)) + at(y1, z1) * (z - z0);
      want[r * cols + c] = x[r * cols + c] + top * (1 - (y - y0)) + bottom * (y - y0);
    }
  }
  assert(reference.nmse(await download(runtime, out), want) < 1e-11);
});

gpuTest("conv_patches: odd sizes, a zero-padded last chunk", async (runtime) => {
  const [chunks, chunkT, bins, frames] = [2, 10, 7, 13];
  const mel = noise(6, bins * frames);
  const [tOut, fOut] = [5, 4];
  const rows = chunks * tOut * fOut;
  const out = runtime.memory.tensor("out", rows, 16);
  const pass = runtime.begin("test");
  pass.run(convPatches, { x: words(runtime, mel), out }, {
    rows,
    t_in: chunkT,
    f_in: bins,
    t_out: tOut,
    f_out: fOut,
    channels: 1,
    chunk_stride: chunkT,
    t_stride: 1,
    f_stride: frames,
    chunk_t: chunkT,
    valid: frames,
    out_stride: 16,
  });
  pass.submit();
  const got = await download(runtime, out);
  const want = new Float32Array(rows * 16);
  let at = 0;
  for (let c = 0; c < chunks; c++) {
    for (let t = 0; t < tOut; t++) {
      for (let f = 0; f < fOut; f++, at += 16) {
        for (let tap = 0; tap < 9; tap++) {
          const ti = 2 * t + Math.floor(tap / 3) - 1;
          const fi = 2 * f + tap % 3 - 1;
          const inside = ti >= 0 && ti < chunkT && fi >= 0 && fi < bins && c * chunkT + ti < frames;
          want[at + tap] = inside ? mel[fi * frames + c * chunkT + ti] : 0;
        }
      }
    }
  }
  assertEquals(got, want);
});
