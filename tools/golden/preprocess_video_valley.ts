/** Golden videos of the older families: which frames are taken. */
import { spreadFrames } from "../../src/prompt/video_rule.ts";
import { listOf, readCase } from "./files.ts";
import { same } from "./picture_checks.ts";
import type { CaseResult } from "./report.ts";

export function runSpreadFrames(dir: string, family: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const rows = listOf(readCase(dir, "preprocess-video", family), "rows", dir);
  for (const { total_frames: total, frames = 8, indices } of rows) {
    const got = spreadFrames(total, frames);
    if (!same(indices, got)) failures.push(`${frames} of ${total} frames: ${got}, not ${indices}`);
  }
  lines.push(`${rows.length - failures.length} of ${rows.length} rows exact`);
  return Promise.resolve({ name: dir, lines, failures });
}
