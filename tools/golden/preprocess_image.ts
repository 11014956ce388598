/** Golden pictures: file → RGB → resize → patches, held against the official processor's values. */

import { PromptError } from "../../src/families/family.ts";
import { fit } from "../../src/prompt/features.ts";
import { decodeImage } from "../../src/prompt/image.ts";
import { patchify } from "../../src/prompt/patchify.ts";
import { smartResize } from "../../src/prompt/smart_resize.ts";
import { difference, Expected, figures, listOf, readCase, readJson } from "./files.ts";
import type { CaseResult } from "./report.ts";

/**
 * VALLEY3.md: float64 weights come to 5.1e-6 and two levels (2/127.5); one rounding only, or the height first, to
 * 7.6e-5 and up to 24 levels. Integer weights give 0. JPEG and WebP are the same given the same decoder.
 */
const MAX_NMSE = 5.1e-6, MAX_DIFFERENCE = 2.01 / 127.5;

/** One folder of `kind: "preprocess-image"`. */
export async function runPreprocessImage(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "preprocess-image");
  const expected = new Expected(dir);
  const size = { patchSize: golden.patch_size, mergeSize: golden.merge_size };
  const patch = {
    ...size,
    temporalPatchSize: golden.temporal_patch_size,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
  for (const row of listOf(golden, "cases", dir)) {
    const name = `${row.file} ${row.setting}`;
    const check = (ok: boolean, what: string): void => {
      if (!ok) failures.push(`${name}: ${what}`);
    };
    try {
      const picture = await decodeImage(Deno.readFileSync(`${dir}/${row.file}`));
      const sum = picture.rgb.reduce((total, value) => total + value, 0);
      check(same(row.decoded, [picture.height, picture.width]), `decoded ${picture.height}×${picture.width}`);
      check(sum === row.decoded_sum, `decoded_sum ${sum}, not ${row.decoded_sum}`);
      const limits = { minPixels: row.min_pixels, maxPixels: row.max_pixels };
      if (row.refused === true) {
        check(refused(() => fit(picture, limits, size)), "was not refused");
        lines.push(`${name}: refused`);
        continue;
      }
      const fitted = fit(picture, limits, size);
      const { data, grid } = patchify([fitted], patch);
      check(same(row.resized, [fitted.height, fitted.width]), `resized to ${fitted.height}×${fitted.width}`);
      check(same(row.grid_thw, grid), `grid ${grid}`);
      const [rows, width] = row.pixel_values_shape;
      check(rows * width === data.length, `${data.length} values, not ${rows * width}`);
      const want = expected.get(`${row.file}.${row.setting}`).data;
      const got = data.filter((_, i) => i % row.sample_stride === 0);
      const found = difference(got, want);
      check(found.nmse <= MAX_NMSE && found.maximum <= MAX_DIFFERENCE, figures(found));
      lines.push(`${name}: ${figures(found)}`);
    } catch (error) {
      check(false, (error as Error).message);
    }
  }
  for (const name of expected.unused()) failures.push(`${name} in expected.safetensors belongs to no case`);
  runSmartResize(`${dir}/smart_resize.json`, lines, failures);
  return { name: dir, lines, failures };
}

/** The table of sizes: exact, null meaning refused. */
function runSmartResize(path: string, lines: string[], failures: string[]): void {
  const rows = listOf(readJson(path), "rows", path) as (number | null)[][];
  let wrong = 0;
  for (const [height, width, minPixels, maxPixels, wantHeight, wantWidth] of rows as number[][]) {
    let got: (number | null)[] = [null, null];
    try {
      got = smartResize(height, width, 32, { minPixels, maxPixels });
    } catch (error) {
      if (!(error instanceof PromptError)) throw error;
    }
    if (same([wantHeight, wantWidth], got)) continue;
    wrong++;
    failures.push(
      `smart_resize ${height}×${width} (${minPixels}–${maxPixels}): ${got}, not ${wantHeight},${wantWidth}`,
    );
  }
  lines.push(`smart_resize: ${rows.length - wrong} of ${rows.length} sizes exact`);
}

const same = (want: unknown, got: readonly unknown[]): boolean =>
  Array.isArray(want) && want.length === got.length && want.every((value, i) => value === got[i]);

function refused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    return error instanceof PromptError;
  }
}
