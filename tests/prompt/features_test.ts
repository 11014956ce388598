/** A medium's digest is its identity in the caches: everything that the encoder sees is in it. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Raster } from "../../src/families/family.ts";
import { imageFeature } from "../../src/prompt/features.ts";

const grey = (width: number, height: number): Raster => ({
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(90),
});
const LIMITS = { minPixels: 64 * 64, maxPixels: 256 * 256 };
const PATCH = {
  patchSize: 16,
  mergeSize: 2,
  temporalPatchSize: 2,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};

Deno.test("digest: the same bytes in another shape are another medium", () => {
  const wide = imageFeature(grey(128, 64), LIMITS, PATCH);
  const tall = imageFeature(grey(64, 128), LIMITS, PATCH);
  assertEquals(wide.data, tall.data);
  assert(wide.digest !== tall.digest);
  assertEquals(imageFeature(grey(128, 64), LIMITS, PATCH).digest, wide.digest);
});
