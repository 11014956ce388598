/** Golden sounds: file → 16 kHz → log-mel, held against the official processor's values. */

import { decodeAudio } from "../../src/prompt/audio.ts";
import { sniffAudio } from "../../src/prompt/audio_probe.ts";
import { audioTokens } from "../../src/prompt/audio_tokens.ts";
import { logMel, MEL_SAMPLE_RATE } from "../../src/prompt/mel.ts";
import { resample } from "../../src/prompt/resample.ts";
import { difference, Expected, figures, listOf, readCase } from "./files.ts";
import type { CaseResult } from "./report.ts";

/** VALLEY3.md: 1.3e-11 from 16 kHz samples in float64; a good resampler 2.2e-8 in the wave, 1e-5 in the mel. */
const MAX_MEL = 1e-10, MAX_RESAMPLED_MEL = 1e-5, MAX_WAVE = 1e-7;
const MEL_BINS = 128, LONGEST = 600;

/** One folder of `kind: "preprocess-audio"`. */
export async function runPreprocessAudio(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "preprocess-audio");
  const expected = new Expected(dir);
  for (const row of listOf(golden, "cases", dir)) {
    const check = (ok: boolean, what: string): void => {
      if (!ok) failures.push(`${row.file}: ${what}`);
    };
    try {
      const bytes = Deno.readFileSync(`${dir}/${row.file}`);
      const format = sniffAudio(bytes);
      if (format === null || format === "mov" || format === "matroska") throw new Error(`format ${format}`);
      const wave = await decodeAudio(bytes, format, LONGEST);
      check(wave.sampleRate === row.sample_rate, `rate ${wave.sampleRate}`);
      const samples = resample(wave.samples, wave.sampleRate, MEL_SAMPLE_RATE);
      check(samples.length === row.samples_16k, `${samples.length} samples, not ${row.samples_16k}`);
      const want = expected.get(`${row.file}.mel`);
      const mel = logMel(samples, MEL_BINS);
      check(
        mel.frames === row.frames && mel.frames === want.shape[1],
        `${mel.frames} frames, not ${row.frames}`,
      );
      check(audioTokens(mel.frames) === row.audio_tokens, `${audioTokens(mel.frames)} tokens`);
      const found = difference(mel.data, want.data);
      if (row.resampled !== true) {
        check(found.nmse <= MAX_MEL, `mel ${figures(found)}`);
        lines.push(`${row.file}: mel ${figures(found)}`);
        continue;
      }
      const wave16k = expected.get(`${row.file}.wave16k`).data;
      const resampled = difference(samples, wave16k);
      const proper = difference(logMel(wave16k, MEL_BINS).data, want.data);
      check(resampled.nmse <= MAX_WAVE, `wave ${figures(resampled)}`);
      check(found.nmse <= MAX_RESAMPLED_MEL, `mel ${figures(found)}`);
      check(proper.nmse <= MAX_MEL, `mel from wave16k ${figures(proper)}`);
      lines.push(`${row.file}: wave ${figures(resampled)}`);
      lines.push(`${row.file}: mel ${figures(found)}; from wave16k ${figures(proper)}`);
    } catch (error) {
      check(false, (error as Error).message);
    }
  }
  const lengths = listOf(golden, "token_lengths", dir) as [number, number][];
  const wrong = lengths.filter(([frames, tokens]) => audioTokens(frames) !== tokens);
  for (const [frames, tokens] of wrong) {
    failures.push(`${frames} frames: ${audioTokens(frames)} tokens, not ${tokens}`);
  }
  lines.push(`token_lengths: ${lengths.length - wrong.length} of ${lengths.length} exact`);
  for (const name of expected.unused()) failures.push(`${name} in expected.safetensors belongs to no case`);
  return { name: dir, lines, failures };
}
