/** Golden pictures of Valley2.5: file → RGB → two resizes → patches. */
import { decodeImage } from "../../src/prompt/image.ts";
import { FIRST_LIMITS, navitFit, navitSizes } from "../../src/prompt/navit_resize.ts";
import { patchify } from "../../src/prompt/patchify.ts";
import { PLAIN_IMAGE } from "../../src/prompt/pixels.ts";
import { resize } from "../../src/prompt/resize.ts";
import { QWEN2VL_PATCH } from "../../src/families/qwen2vl.ts";
import { difference, Expected, figures, listOf, readCase, readJson } from "./files.ts";
import { orRefused, same, sumOf } from "./picture_checks.ts";
import type { CaseResult } from "./report.ts";

/** Bytes are exact, so values differ by rounding at most. */
const MAX_DIFFERENCE = 1e-6;

export async function runPreprocessImage25(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "preprocess-image", "valley2_5");
  const expected = new Expected(dir);
  const patch = QWEN2VL_PATCH;
  const shape = [golden.patch_size, golden.merge_size, golden.temporal_patch_size];
  if (!same(shape, [patch.patchSize, patch.mergeSize, patch.temporalPatchSize])) {
    failures.push(`patch, merge and temporal sizes ${shape} are not Valley2.5's`);
  }
  for (const row of listOf(golden, "cases", dir)) {
    const name = `${row.file} ${row.setting}`;
    const check = (ok: boolean, what: string): void => {
      if (!ok) failures.push(`${name}: ${what}`);
    };
    try {
      const picture = await decodeImage(Deno.readFileSync(`${dir}/${row.file}`), PLAIN_IMAGE);
      check(same(row.decoded, [picture.height, picture.width]), `decoded ${picture.height}×${picture.width}`);
      check(sumOf(picture.rgb) === row.decoded_sum, `decoded_sum ${sumOf(picture.rgb)}`);
      const limits = { minPixels: row.min_pixels, maxPixels: row.max_pixels };
      const sizes = orRefused(() => navitSizes(picture.height, picture.width, limits));
      if (row.refused === true || sizes === null) {
        check(row.refused === true && sizes === null, `refused: ${sizes === null}`);
        lines.push(`${name}: refused`);
        continue;
      }
      const [height, width] = sizes.first;
      const first = resize(picture, width, height, "bicubic", "pillow");
      check(same(row.first_resize, sizes.first), `first resized to ${sizes.first}`);
      check(sumOf(first.rgb) === row.first_sum, `first_sum ${sumOf(first.rgb)}, not ${row.first_sum}`);
      const fitted = navitFit(picture, limits);
      check(same(row.resized, [fitted.height, fitted.width]), `resized to ${fitted.height}×${fitted.width}`);
      check(
        sumOf(fitted.rgb) === row.resized_sum,
        `resized_sum ${sumOf(fitted.rgb)}, not ${row.resized_sum}`,
      );
      const bytes = `${row.file}.${row.setting}.rgb`;
      if (expected.has(bytes)) {
        check(difference(fitted.rgb, expected.get(bytes).data).share === 0, "bytes differ");
      }
      const { data, grid } = patchify([fitted], patch);
      check(same(row.grid_thw, grid), `grid ${grid}`);
      const [rows, columns] = row.pixel_values_shape;
      check(rows * columns === data.length && rows / 4 === row.image_tokens, `${data.length} values`);
      const got = data.filter((_, i) => i % row.sample_stride === 0);
      const found = difference(got, expected.get(`${row.file}.${row.setting}`).data);
      check(found.maximum <= MAX_DIFFERENCE, figures(found));
      lines.push(`${name}: ${figures(found)}`);
    } catch (error) {
      check(false, (error as Error).message);
    }
  }
  for (const name of expected.unused()) failures.push(`${name} in expected.safetensors belongs to no case`);
  sizes(`${dir}/smart_resize.json`, lines, failures);
  return { name: dir, lines, failures };
}

/** The table of both sizes; null: refused (by the first rule, or by the second alone). */
function sizes(path: string, lines: string[], failures: string[]): void {
  const rows = listOf(readJson(path), "rows", path) as (number | null)[][];
  let exact = 0;
  for (const row of rows) {
    const [height, width, minPixels, maxPixels] = row as number[];
    const first = orRefused(() => navitSizes(height, width, FIRST_LIMITS))?.first ?? [null, null];
    const last = orRefused(() => navitSizes(height, width, { minPixels, maxPixels }))?.last ?? [null, null];
    if (same(row.slice(4), [...first, ...last])) exact++;
    else failures.push(`smart_resize ${row}: ${first} and ${last}`);
  }
  lines.push(`smart_resize: ${exact} of ${rows.length} sizes exact`);
}
