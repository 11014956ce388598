/** Model cases of the fixtures: official inputs → every intermediate, logits and greedy ids on the GPU path. */
import type { MediaFeature, SequenceStep } from "../../src/families/family.ts";
import { readValley3Config } from "../../src/families/valley3/config.ts";
import { Valley3Model } from "../../src/families/valley3/model.ts";
import { openGpu } from "../../src/gpu/device.ts";
import { PROFILES, readTensors, Runtime } from "../../src/gpu/pass.ts";
import { measureProfile } from "../../src/gpu/profile.ts";
import { SafetensorsFile, toFloat32 } from "../../src/gpu/safetensors.ts";
import type { Tensor } from "../../src/gpu/tensor.ts";
import { audioTokens } from "../../src/model/audio_aut.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { mropePositions } from "../../src/prompt/positions.ts";
import type { CaseResult, GoldenOptions } from "./report.ts";
import { nmse } from "./report.ts";

const GREEDY_STEPS = 24;
const BLOCK = 16;

/** Float32 values of a tensor in any dtype. */
function values(file: SafetensorsFile, name: string): { data: Float32Array; shape: number[] } {
  const info = file.tensors.get(name)!;
  return { data: toFloat32(file.read(name), info.dtype), shape: info.shape };
}

interface Inputs {
  ids: Uint32Array;
  positions: Float32Array;
  ropeDelta: number;
  hasPositions: boolean;
  media: MediaFeature[];
  /** Media-store row of each prompt token or −1. */
  mediaRows: Int32Array;
}

function readInputs(file: SafetensorsFile, config: ReturnType<typeof readValley3Config>): Inputs {
  const ids = Uint32Array.from(values(file, "input_ids").data);
  const media: MediaFeature[] = [];
  const images: [number, number, number][] = [];
  const videos: { grid: [number, number, number]; secondPerGrid: number }[] = [];
  const audios: number[] = [];
  const visual = (kind: "image" | "video", pixels: string, grids: string, seconds: string | null) => {
    if (!file.tensors.has(pixels)) return;
    const rows = values(file, pixels);
    const width = rows.shape[1];
    const grid = values(file, grids).data;
    const second = seconds && file.tensors.has(seconds) ? values(file, seconds).data : null;
    let at = 0;
    for (let i = 0; i < grid.length / 3; i++) {
      const shape = [...grid.subarray(3 * i, 3 * i + 3)] as [number, number, number];
      const count = shape[0] * shape[1] * shape[2];
      const data = rows.data.slice(at * width, (at + count) * width);
      media.push({ kind, digest: `${kind}${i}`, tokens: count / config.vision.merge ** 2, data, shape });
      at += count;
      if (kind === "image") images.push(shape);
      else videos.push({ grid: shape, secondPerGrid: second ? second[i] : 1 });
    }
  };
  visual("image", "pixel_values", "image_grid_thw", null);
  visual("video", "pixel_values_videos", "video_grid_thw", "video_second_per_grid");
  if (file.tensors.has("input_features")) {
    const mel = values(file, "input_features");
    const mask = values(file, "feature_attention_mask").data;
    const [count, bins, frames] = mel.shape;
    for (let i = 0; i < count; i++) {
      const valid = mask.subarray(i * frames, (i + 1) * frames).reduce((a, b) => a + b, 0);
      const data = new Float32Array(bins * valid);
      for (let b = 0; b < bins; b++) {
        data.set(mel.data.subarray((i * bins + b) * frames, (i * bins + b) * frames + valid), b * valid);
      }
      media.push({
        kind: "audio",
        digest: `audio${i}`,
        tokens: audioTokens(valid),
        data,
        shape: [bins, valid],
      });
      audios.push(audioTokens(valid));
    }
  }
  const t = config.tokens;
  const rope = mropePositions(ids, t, {
    images,
    videos,
    audios,
    mergeSize: config.vision.merge,
    positionIdPerSeconds: config.positionIdPerSeconds,
  });
  const plain = new Float32Array(3 * ids.length).map((_, i) => i % ids.length);
  return {
    ids,
    positions: rope?.positions ?? plain,
    ropeDelta: rope?.ropeDelta ?? 0,
    hasPositions: rope !== null,
    media,
    mediaRows: rowsOfMedia(ids, media, t),
  };
}

/** Pads are filled in prompt order, each kind from its own list; store rows follow the order of `media`. */
function rowsOfMedia(
  ids: Uint32Array,
  media: MediaFeature[],
  t: { image: number; video: number; audio: number },
): Int32Array {
  const next = new Map<number, number[]>();
  let row = 0;
  for (const m of media) {
    const id = t[m.kind];
    const list = next.get(id) ?? [];
    for (let i = 0; i < m.tokens; i++) list.push(row++);
    next.set(id, list);
  }
  return Int32Array.from(ids, (id) => next.get(id)?.shift() ?? -1);
}

/** Runs one model case. */
export async function runModelCase(dir: string, options: GoldenOptions): Promise<CaseResult> {
  const spec = JSON.parse(Deno.readTextFileSync(`${dir}/case.json`));
  const folder = `${dir}/${spec.model}`;
  const config = readValley3Config(JSON.parse(Deno.readTextFileSync(`${folder}/config.json`)));
  const inputs = SafetensorsFile.open(`${dir}/inputs.safetensors`);
  const expected = SafetensorsFile.open(`${dir}/expected.safetensors`);
  const result: CaseResult = { name: spec.case, lines: [], failures: [] };
  const tolerance = options.dtype === "f32" ? 1e-9 : spec.case === "tiny-activations" ? 1e-3 : 1e-4;
  const runtime = new Runtime(await openGpu());
  runtime.profile = options.profile ? PROFILES[options.profile] : await measureProfile(runtime);
  const checkpoint = Checkpoint.open(folder);
  try {
    const input = readInputs(inputs, config);
    const length = input.ids.length;
    const blocks = Math.ceil((length + GREEDY_STEPS + 1) / BLOCK);
    const model = await Valley3Model.load(runtime, checkpoint, config, {
      precision: options.dtype,
      kvPrecision: options.dtype,
      blocks,
      blockSize: BLOCK,
      maxSequences: 1,
      maxBatchTokens: length,
      mediaRows: Math.max(8, input.media.reduce((a, m) => a + m.tokens, 0)),
      eosIds: [],
    });
    const seen = new Map<string, Tensor[]>();
    const tap = (name: string, tensor: Tensor) => seen.set(name, [...(seen.get(name) ?? []), tensor]);
    let row = 0;
    for (const m of input.media) {
      model.encodeMedia(m, row, tap);
      row += m.tokens;
    }
    const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };
    const table = Uint32Array.from({ length: blocks }, (_, i) => i);
    const first: SequenceStep = {
      slot: 0,
      ids: input.ids,
      start: 0,
      positions: input.positions,
      mediaRows: input.media.length ? input.mediaRows : null,
      blocks: table,
      sample,
    };
    const handles = [model.step([first], tap)];
    for (let i = 0; i < GREEDY_STEPS - 1; i++) {
      const at = length + i + input.ropeDelta;
      handles.push(model.step([{
        slot: 0,
        ids: null,
        start: length + i,
        positions: new Float32Array([at, at, at]),
        mediaRows: null,
        blocks: table,
        sample,
      }], (name, t) => tap(name === "logits" ? "decode.logits" : "decode", t)));
    }
    const ids = (await model.read(handles)).map((s) => s[0].id);

    comparePositions(expected, input, result);
    for (const [name, info] of expected.tensors) {
      if (!/^(vision|audio|text)\./.test(name) || name.endsWith("_windowed")) continue;
      const tensors = seen.get(name);
      if (!tensors) {
        result.failures.push(`${name}: not computed`);
        continue;
      }
      const parts = await readTensors(runtime, tensors);
      const want = toFloat32(expected.read(name), info.dtype);
      compare(result, name, concat(parts), want, tolerance);
    }
    const norm = seen.get("text.final_norm");
    if (norm && expected.tensors.has("logits_last64")) {
      const got = await model.logitsOf(norm[0]);
      const want = values(expected, "logits_last64");
      const cols = want.shape[want.shape.length - 1];
      const rows = want.data.length / cols;
      compare(result, "logits_last64", got.subarray(got.length - rows * cols), want.data, tolerance);
    }
    compareGreedy(expected, ids, result);
  } finally {
    runtime.destroy();
    checkpoint.close();
    inputs.close();
    expected.close();
  }
  return result;
}

function concat(parts: Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((a, p) => a + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function compare(
  result: CaseResult,
  name: string,
  got: Float32Array,
  want: Float32Array,
  tolerance: number,
): void {
  if (got.length !== want.length) {
    result.failures.push(`${name}: ${got.length} values, expected ${want.length}`);
    return;
  }
  const error = nmse(got, want);
  result.lines.push(`${name.padEnd(24)} NMSE ${error.toExponential(2)}`);
  if (!(error < tolerance)) {
    result.failures.push(`${name}: NMSE ${error.toExponential(2)}, allowed ${tolerance}`);
  }
}

function comparePositions(expected: SafetensorsFile, input: Inputs, result: CaseResult): void {
  if (expected.tensors.has("position_ids")) {
    const want = values(expected, "position_ids").data;
    const bad = want.findIndex((v, i) => v !== input.positions[i]);
    if (want.length !== input.positions.length) result.failures.push("position_ids: other length");
    else if (bad >= 0) {
      result.failures.push(`position_ids[${bad}]: ${input.positions[bad]}, expected ${want[bad]}`);
    } else result.lines.push("position_ids             exact");
  }
  if (expected.tensors.has("rope_delta")) {
    const want = values(expected, "rope_delta").data[0];
    if (want !== input.ropeDelta) result.failures.push(`rope_delta: ${input.ropeDelta}, expected ${want}`);
  }
}

/** Ids must agree up to the first step whose top-1/top-2 gap is under 0.02. */
function compareGreedy(expected: SafetensorsFile, ids: number[], result: CaseResult): void {
  const want = values(expected, "generated_ids").data;
  const top = values(expected, "generated_top8_logits").data;
  const differs = ids.findIndex((id, i) => id !== want[i]);
  const close = [...want].findIndex((_, i) => top[8 * i] - top[8 * i + 1] < 0.02);
  const upTo = close < 0 ? want.length : close;
  result.lines.push(
    `greedy ids               ${differs < 0 ? "all equal" : `first differing at ${differs}`}`,
  );
  if (ids.length < want.length) result.failures.push(`greedy: ${ids.length} ids, expected ${want.length}`);
  if (differs >= 0 && differs < upTo) {
    result.failures.push(`greedy id ${differs}: ${ids[differs]}, expected ${want[differs]}`);
  }
}
