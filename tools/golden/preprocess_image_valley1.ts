/** Golden pictures of Valley (2023): file → RGB → a square, by the ways of pictures and of a video's frames. */
import { decodeImage } from "../../src/prompt/image.ts";
import { PLAIN_IMAGE } from "../../src/prompt/pixels.ts";
import { planesOf, squareOf } from "../../src/prompt/square.ts";
import { CLIP } from "../../src/prompt/patchify.ts";
import { spreadFrames, steppedFrames } from "../../src/prompt/video_rule.ts";
import { difference, Expected, figures, listOf, readCase } from "./files.ts";
import { same, sumOf } from "./picture_checks.ts";
import type { CaseResult } from "./report.ts";

/** Lossless files: bytes are exact, so values differ by rounding at most. Lossy ones decode a little differently. */
const MAX_DIFFERENCE = 1e-6, MAX_NMSE_LOSSY = 1e-3;
/** `uint8_sum` was added up in float32, whose steps are 2 at such numbers. */
const SUM_ROUNDING = 4;
const SIDE = 224;

export async function runPreprocessImage1(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "preprocess-image", "valley1");
  const expected = new Expected(dir);
  if (!same(golden.image_mean, CLIP.mean) || !same(golden.image_std, CLIP.std)) {
    failures.push("image_mean and image_std are not CLIP's");
  }
  const rows = listOf(golden, "cases", dir);
  for (const row of rows) {
    const name = `${row.file} ${row.path}`;
    const check = (ok: boolean, what: string): void => {
      if (!ok) failures.push(`${name}: ${what}`);
    };
    try {
      const picture = await decodeImage(Deno.readFileSync(`${dir}/${row.file}`), PLAIN_IMAGE);
      check(same(row.decoded, [picture.height, picture.width]), `decoded ${picture.height}×${picture.width}`);
      const square = squareOf(picture, SIDE, row.path);
      if (!row.lossy) {
        check(sumOf(picture.rgb) === row.decoded_sum, `decoded_sum ${sumOf(picture.rgb)}`);
        const sum = sumOf(square.rgb);
        check(Math.abs(sum - row.uint8_sum) <= SUM_ROUNDING, `uint8_sum ${sum}, not ${row.uint8_sum}`);
      }
      const planes = planesOf([square], CLIP);
      check(same(row.pixel_values_shape, [3, SIDE, SIDE]), "another shape was expected");
      const got = planes.filter((_, i) => i % row.sample_stride === 0);
      const found = difference(got, expected.get(`${row.file}.${row.path}`).data);
      check(
        row.lossy ? found.nmse <= MAX_NMSE_LOSSY : found.maximum <= MAX_DIFFERENCE,
        figures(found),
      );
      lines.push(`${name}: ${figures(found)}`);
    } catch (error) {
      check(false, (error as Error).message);
    }
  }
  for (const name of expected.unused()) failures.push(`${name} in expected.safetensors belongs to no case`);
  return { name: dir, lines, failures };
}

/** Which frames of a video are taken: 8, or one each two seconds. */
export function runPreprocessVideo1(dir: string): Promise<CaseResult> {
  const failures: string[] = [];
  const rows = listOf(readCase(dir, "preprocess-video", "valley1"), "rows", dir);
  for (const { total_frames: total, video_fps: fps, fixed8, fps_half: half } of rows) {
    if (!same(fixed8, spreadFrames(total, 8))) failures.push(`${total} frames: ${spreadFrames(total, 8)}`);
    const got = steppedFrames(total, fps, 0.5).slice(0, 40);
    if (!same(half, got)) failures.push(`${total} frames at ${fps}/s: ${got}, not ${half}`);
  }
  return Promise.resolve({ name: dir, lines: [`${rows.length} rows`], failures });
}
