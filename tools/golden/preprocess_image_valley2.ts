/** Golden pictures of Valley2: file → RGB → SigLIP tiles, and two resizes → Qwen2-VL patches. */
import { decodeImage } from "../../src/prompt/image.ts";
import { FIRST_LIMITS, navitFit, navitSizes } from "../../src/prompt/navit_resize.ts";
import { patchify } from "../../src/prompt/patchify.ts";
import { PLAIN_IMAGE } from "../../src/prompt/pixels.ts";
import { planesOf, tilesOf } from "../../src/prompt/square.ts";
import type { PixelLimits } from "../../src/prompt/smart_resize.ts";
import { QWEN2VL_PATCH } from "../../src/families/qwen2vl.ts";
import { SIGLIP } from "../../src/families/valley2/preprocessor.ts";
import { keptMap, layoutOf, siglipTokens, type Tiling } from "../../src/families/valley2/tiling.ts";
import { difference, Expected, figures, listOf, readCase, readJson } from "./files.ts";
import { orRefused, same, sumOf } from "./picture_checks.ts";
import type { CaseResult } from "./report.ts";

/** Bytes are exact, so values differ by rounding at most. */
const MAX_DIFFERENCE = 1e-6;

/** As published. */
const TILING: Tiling = { crop: 384, from: [1, 1], to: [3, 3], side: 14, maxTokens: 100_000 };

/** What `tiling_columns` names, of a picture. */
function tilingRow(width: number, height: number): number[] {
  const l = layoutOf(width, height, TILING);
  const kept = keptMap(width, height, TILING);
  return [
    ...[width, height, l.columns * TILING.crop, l.rows * TILING.crop, l.columns, l.rows],
    ...[l.x, l.y, l.width, l.height, kept.rows, kept.columns, siglipTokens(width, height, true, TILING)],
  ];
}

export async function runPreprocessImage2(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "preprocess-image", "valley2");
  const expected = new Expected(dir);
  for (const row of listOf(golden, "cases", dir)) {
    const check = (ok: boolean, what: string): void => {
      if (!ok) failures.push(`${row.file}: ${what}`);
    };
    const values = (got: Float32Array, { key, shape, sample_stride: stride }: typeof row): void => {
      check(got.length === shape.reduce((a: number, b: number) => a * b, 1), `${key}: ${got.length} values`);
      const found = difference(got.filter((_, i) => i % stride === 0), expected.get(key).data);
      check(found.maximum <= MAX_DIFFERENCE, `${key}: ${figures(found)}`);
      lines.push(`${key}: ${figures(found)}`);
    };
    try {
      const picture = await decodeImage(Deno.readFileSync(`${dir}/${row.file}`), PLAIN_IMAGE);
      const { width, height } = picture;
      check(same(row.size, [width, height]), `decoded ${width}×${height}`);
      check(sumOf(picture.rgb) === row.decoded_sum, `decoded_sum ${sumOf(picture.rgb)}`);
      check(same(row.tiling, tilingRow(width, height)), `tiling ${tilingRow(width, height)}`);
      const tiles = tilesOf(picture, TILING.crop, layoutOf(width, height, TILING));
      values(planesOf(tiles, SIGLIP), row.siglip);
      for (const whole of row.qwen2vl) {
        const limits = { minPixels: whole.min_pixels, maxPixels: whole.max_pixels };
        const [h, w] = navitSizes(height, width, limits).first;
        check(same(whole.fetch_size, [w, h]), `first resized to ${w}×${h}`);
        const { data, grid } = patchify([navitFit(picture, limits)], QWEN2VL_PATCH);
        check(same(whole.grid_thw, grid), `grid ${grid}`);
        values(data, whole);
      }
    } catch (error) {
      check(false, (error as Error).message);
    }
  }
  for (const name of expected.unused()) failures.push(`${name} in expected.safetensors belongs to no case`);
  const tiling = readJson(`${dir}/tiling.json`);
  const rows: number[][] = listOf(tiling, "rows", "tiling.json");
  for (const row of rows) {
    const got = tilingRow(row[0], row[1]);
    if (!same(row, got)) failures.push(`tiling ${row}: ${got}`);
  }
  lines.push(`tiling: ${rows.length} rows`);
  sizes(readJson(`${dir}/smart_resize.json`), lines, failures);
  return { name: dir, lines, failures };
}

// deno-lint-ignore no-explicit-any
function sizes(table: any, lines: string[], failures: string[]): void {
  const rows = listOf(table, "rows", "smart_resize.json");
  let exact = 0;
  for (const row of rows) {
    const [width, height, setting] = row;
    const given = table.settings[setting];
    const limits: PixelLimits = { minPixels: given.min_pixels, maxPixels: given.max_pixels };
    const first = orRefused(() => navitSizes(height, width, FIRST_LIMITS))?.first ?? [null, null];
    const last = orRefused(() => navitSizes(height, width, limits))?.last ?? [null, null];
    const tokens = last[0] === null ? null : last[0] * last[1]! / 784;
    const got = [first[1], first[0], last[1], last[0], tokens];
    if (same(row.slice(3), got)) exact++;
    else failures.push(`smart_resize ${row}: ${got}`);
  }
  lines.push(`smart_resize: ${exact} of ${rows.length} sizes exact`);
}
