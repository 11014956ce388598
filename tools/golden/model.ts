/** Model cases of the fixtures: official inputs → every intermediate, logits and greedy ids on the GPU path. */
import type { SequenceStep } from "../../src/families/family.ts";
import { openGpu } from "../../src/gpu/device.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import { Runtime } from "../../src/gpu/runtime.ts";
import { readTensors } from "../../src/gpu/readback.ts";
import { measureProfile } from "../../src/gpu/profile.ts";
import { SafetensorsFile, toFloat32 } from "../../src/gpu/safetensors.ts";
import type { Tensor } from "../../src/gpu/tensor.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { type GoldenFamily, type Inputs, values } from "./model_case.ts";
import type { CaseResult, GoldenOptions } from "./report.ts";
import { nmse } from "./report.ts";

const GREEDY_STEPS = 24;
const BLOCK = 16;

/** Names of intermediates in expected.safetensors. */
const INTERMEDIATE = /^(vision|audio|text|siglip|projector|qwen2vl|temporal)\./;

/** Runs one model case. */
export async function runModelCase<Config>(
  family: GoldenFamily<Config>,
  dir: string,
  options: GoldenOptions,
): Promise<CaseResult> {
  const spec = JSON.parse(Deno.readTextFileSync(`${dir}/case.json`));
  const folder = `${dir}/${spec.model}`;
  const config = family.readConfig(JSON.parse(Deno.readTextFileSync(`${folder}/config.json`)));
  const inputs = SafetensorsFile.open(`${dir}/inputs.safetensors`);
  const expected = SafetensorsFile.open(`${dir}/expected.safetensors`);
  const result: CaseResult = { name: spec.case, lines: [], failures: [] };
  const tolerance = options.dtype === "f32" ? 1e-9 : spec.case === "tiny-activations" ? 1e-3 : 1e-4;
  const runtime = new Runtime(await openGpu());
  runtime.profile = options.profile ? PROFILES[options.profile] : await measureProfile(runtime);
  const checkpoint = Checkpoint.open(folder);
  try {
    const input = family.readInputs(inputs, config);
    const length = input.ids.length;
    const blocks = Math.ceil((length + GREEDY_STEPS + 1) / BLOCK);
    const model = await family.load(runtime, checkpoint, config, {
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
        positions: new Float32Array(input.axes).fill(at),
        mediaRows: null,
        blocks: table,
        sample,
      }], (name, t) => tap(name === "logits" ? "decode.logits" : "decode", t)));
    }
    const ids = (await model.read(handles)).map((s) => s[0].id);

    comparePositions(expected, input, result);
    for (const [name, info] of expected.tensors) {
      if (!INTERMEDIATE.test(name) || name.endsWith("_windowed")) continue;
      const tensors = seen.get(name);
      if (!tensors) {
        result.failures.push(`${name}: not computed`);
        continue;
      }
      const parts = await readTensors(runtime, tensors);
      const want = toFloat32(expected.read(name), info.dtype);
      const got = concat(parts);
      const some = family.partial?.test(name) && got.length > want.length;
      compare(result, name, some ? got.subarray(0, want.length) : got, want, tolerance);
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
  if (expected.tensors.has("image_token_counts")) {
    const { data, shape } = values(expected, "image_token_counts");
    const each = data.length / shape[0]; // Valley2 counts by tower
    const want = Array.from(
      { length: shape[0] },
      (_, i) => data.subarray(each * i, each * (i + 1)).reduce((a, b) => a + b, 0),
    );
    const got = input.media.map((m) => m.tokens);
    if (`${got}` !== `${want}`) result.failures.push(`image tokens: ${got}, expected ${want}`);
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
