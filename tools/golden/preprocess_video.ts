/** Golden videos: which frames are taken. */

import { PromptError, type VideoPlan } from "../../src/families/family.ts";
import { sampleFrames } from "../../src/prompt/video_rule.ts";
import { listOf, readCase } from "./files.ts";
import type { CaseResult } from "./report.ts";

const KNOWN_REQUEST = ["fps", "nframes", "min_frames", "max_frames"];

/** One folder of `kind: "preprocess-video"`. */
export function runPreprocessVideo(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const rows = listOf(readCase(dir, "preprocess-video"), "rows", dir);
  let exact = 0;
  for (const row of rows) {
    const name = `${row.total_frames} frames at ${row.video_fps}/s, ${JSON.stringify(row.request)}`;
    const request = row.request ?? {};
    const unknown = Object.keys(request).filter((key) => !KNOWN_REQUEST.includes(key));
    if (unknown.length > 0) {
      failures.push(`${name}: request has ${unknown}`);
      continue;
    }
    const plan: VideoPlan = {
      fps: request.fps ?? null,
      nframes: request.nframes ?? null,
      defaultFps: 2,
      minFrames: request.min_frames ?? 4,
      maxFrames: request.max_frames ?? 768,
      frameFactor: 2,
      sizeFactor: 32,
      minPixels: 1,
      maxPixels: 1,
      totalPixels: null,
    };
    const problem = compare(row, plan);
    if (problem === null) exact++;
    else failures.push(`${name}: ${problem}`);
  }
  lines.push(`${exact} of ${rows.length} rows exact`);
  return Promise.resolve({ name: dir, lines, failures });
}

/** What is wrong, or null. A list that is not complete holds the first and last indices. */
function compare(
  row: { total_frames: number; video_fps: number; error?: string; nframes?: number; indices?: number[] },
  plan: VideoPlan,
): string | null {
  let got: number[];
  try {
    got = sampleFrames(row.total_frames, row.video_fps, plan);
  } catch (error) {
    if (!(error instanceof PromptError)) throw error;
    return row.error === "refused" ? null : "was refused";
  }
  if (row.error !== undefined) return "was not refused";
  if (got.length !== row.nframes) return `${got.length} frames, not ${row.nframes}`;
  const want = row.indices;
  if (!Array.isArray(want) || want.length === 0) return "has no indices";
  const half = want.length / 2;
  const seen = want.length === got.length ? got : [...got.slice(0, half), ...got.slice(-half)];
  return seen.length === want.length && want.every((index, i) => index === seen[i])
    ? null
    : `indices ${seen}`;
}
