import fc from "fast-check";
import type { PromptError, Raster } from "../../src/families/family.ts";
import { patchify } from "../../src/prompt/patchify.ts";
import { type Arithmetic, type Filter, resampleWeights, resize } from "../../src/prompt/resize.ts";
import { roundHalfEven, smartResize } from "../../src/prompt/smart_resize.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const KERNELS: Record<Filter, { radius: number; at: (x: number) => number }> = {
  bilinear: { radius: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    radius: 2,
    at: (value) => {
      const a = -0.5, x = Math.abs(value);
      if (x < 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
      return x < 2 ? a * x ** 3 - 5 * a * x ** 2 + 8 * a * x - 4 * a : 0;
    },
  },
};

/** One line as the specification words it, in BigInt: no int32 anywhere. */
function naiveLine(line: number[], outputs: number, filter: Filter, arithmetic: Arithmetic): number[] {
  if (outputs === line.length) return line;
  const { radius, at } = KERNELS[filter];
  const s = line.length / outputs, f = Math.max(s, 1);
  const all = Array.from({ length: outputs }, (_, i) => {
    const c = (i + 0.5) * s;
    const from = Math.max(0, Math.floor(c - radius * f + 0.5));
    const to = Math.min(line.length, Math.floor(c + radius * f + 0.5));
    const raw = Array.from({ length: to - from }, (_, j) => at((from + j + 0.5 - c) / f));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { from, weights: raw.map((weight) => weight / sum) };
  });
  const largest = Math.max(...all.flatMap(({ weights }) => weights));
  let p = 22;
  if (arithmetic === "torchvision") { while (Math.floor(largest * 2 ** p + 0.5) >= 2 ** 15) p--; }
  return all.map(({ from, weights }) => {
    let sum = 1n << BigInt(p - 1);
    weights.forEach((weight, j) => {
      const rounded = Math.sign(weight) * Math.floor(Math.abs(weight) * 2 ** p + 0.5);
      sum += BigInt(rounded) * BigInt(line[from + j]);
    });
    return Math.min(255, Math.max(0, Number(sum >> BigInt(p))));
  });
}

function naive(
  { width, height, rgb }: Raster,
  w: number,
  h: number,
  filter: Filter,
  arithmetic: Arithmetic,
): Uint8Array {
  const out = new Uint8Array(w * h * 3);
  for (let c = 0; c < 3; c++) {
    const rows = Array.from(
      { length: height },
      (_, y) =>
        naiveLine(
          Array.from({ length: width }, (_, x) => rgb[(y * width + x) * 3 + c]),
          w,
          filter,
          arithmetic,
        ),
    );
    for (let x = 0; x < w; x++) {
      naiveLine(rows.map((row) => row[x]), h, filter, arithmetic).forEach((value, y) =>
        out[(y * w + x) * 3 + c] = value
      );
    }
  }
  return out;
}

const side = fc.integer({ min: 1, max: 40 });
const picture = fc.tuple(side, side).chain(([width, height]) =>
  fc.uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 }).map((rgb) => ({
    width,
    height,
    rgb,
  }))
);

for (const arithmetic of ["torchvision", "pillow"] as const) {
  for (const filter of ["bicubic", "bilinear"] as const) {
    Deno.test(`resize (${filter}, ${arithmetic}) is the naive reference to the bit`, () => {
      fc.assert(
        fc.property(picture, side, side, (raster, w, h) => {
          const got = resize(raster, w, h, filter, arithmetic);
          assertEquals([got.width, got.height], [w, h]);
          assertEquals(new Uint8Array(got.rgb), naive(raster, w, h, filter, arithmetic));
        }),
        { numRuns: 150, seed: 7 },
      );
    });
  }
}

Deno.test("resize leaves an unchanged size and a flat colour alone", () => {
  const flat = { width: 5, height: 7, rgb: new Uint8Array(105).fill(201) };
  assert(resize(flat, 5, 7) === flat || resize(flat, 5, 7).rgb === flat.rgb);
  for (const [w, h] of [[1, 1], [64, 3], [2, 99]]) {
    assertEquals(new Set(resize(flat, w, h).rgb), new Set([201]));
  }
});

Deno.test("weights: a large reduction still sums to one within the rounding", () => {
  for (const [inputs, outputs] of [[16384, 3], [4000, 32], [7, 5], [2, 9]]) {
    for (const arithmetic of ["torchvision", "pillow"] as const) {
      const { values, taps, stride, precision } = resampleWeights(inputs, outputs, "bicubic", arithmetic);
      for (let i = 0; i < outputs; i++) {
        const sum = values.subarray(i * stride, i * stride + taps[i]).reduce(
          (total, weight) => total + weight,
          0,
        );
        assert(
          Math.abs(sum - 2 ** precision) <= taps[i],
          `${inputs} → ${outputs}: ${sum} of ${2 ** precision}`,
        );
      }
    }
  }
});

Deno.test("smart_resize: multiples of the factor within the limits, idempotent inside them", () => {
  const size = fc.integer({ min: 1, max: 3000 });
  fc.assert(
    fc.property(size, size, (height, width) => {
      fc.pre(Math.max(height, width) / Math.min(height, width) <= 200);
      const limits = { minPixels: 65536, maxPixels: 1003520 };
      const [h, w] = smartResize(height, width, 32, limits);
      assert(h % 32 === 0 && w % 32 === 0 && h > 0 && w > 0);
      // A strip that is one factor thin may pass the upper limit, as the official one does.
      assert(h * w <= limits.maxPixels || Math.min(h, w) === 32);
      if (h * w >= limits.minPixels && h * w <= limits.maxPixels && Math.max(h, w) / Math.min(h, w) <= 200) {
        assertEquals(smartResize(h, w, 32, limits), [h, w]);
      }
    }),
    { numRuns: 3000, seed: 8 },
  );
});

Deno.test("smart_resize refuses over 200:1 and takes exactly 200", async () => {
  const limits = { minPixels: 1, maxPixels: 1e9 };
  assertEquals(smartResize(1, 200, 32, limits), [32, 32]);
  const error = await assertThrows(() => smartResize(1, 201, 32, limits), /aspect ratio/);
  assertEquals((error as PromptError).code, "image_aspect_ratio");
});

Deno.test("halves round to the even neighbour", () => {
  assertEquals([0.5, 1.5, 2.5, 2.4999, 3.5].map(roundHalfEven), [0, 2, 2, 2, 4]);
});

Deno.test("patches: order, repeated frame, normalisation", async () => {
  // Patch 2, merge 2: a 4×8 picture has two merge blocks of four patches; each pixel holds its index.
  const raster = (offset: number): Raster => ({
    width: 8,
    height: 4,
    rgb: Uint8Array.from({ length: 96 }, (_, i) => offset + Math.floor(i / 3) + (i % 3) * 64),
  });
  const options = {
    patchSize: 2,
    temporalPatchSize: 2,
    mergeSize: 2,
    mean: [0, 0, 0],
    std: [1 / 255, 1 / 255, 1 / 255],
  };
  const { data, grid } = patchify([raster(0), raster(32), raster(64)], options);
  assertEquals(grid, [2, 2, 4]);
  const row = (i: number) => [...data.subarray(i * 24, i * 24 + 24)].map(Math.round);
  assertEquals(
    row(0),
    [0, 1, 8, 9, 32, 33, 40, 41].flatMap((v, i, all) => i < 8 ? [v] : all).concat(
      [0, 1, 8, 9, 32, 33, 40, 41].map((v) => v + 64),
      [0, 1, 8, 9, 32, 33, 40, 41].map((v) => v + 128),
    ),
  );
  assertEquals(row(1).slice(0, 4), [2, 3, 10, 11]); // right of it, in the same block
  assertEquals(row(2).slice(0, 4), [16, 17, 24, 25]); // below
  assertEquals(row(4).slice(0, 4), [4, 5, 12, 13]); // the next block
  assertEquals(row(8).slice(0, 8), [64, 65, 72, 73, 64, 65, 72, 73]); // the odd last frame twice
  await assertThrows(
    () => patchify([{ width: 6, height: 4, rgb: new Uint8Array(72) }], options),
    /Cannot cut/,
  );
});
