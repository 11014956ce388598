/**
 * `bench 8b [--model NAME] [--tokens N]`: a model of the true size with arbitrary int4, loaded and run as it is served,
 * asked about a picture. What loading costs, and what the host does for one decoded token. `32b` has 8 of its layers.
 */
import type { MediaFeature, Sampling, SequenceStep } from "../src/families/family.ts";
import type { LoadStage } from "../src/families/loader.ts";
import { loadModel } from "../src/families/registry.ts";
import type { MadeUp } from "../src/families/warm_up.ts";
import type { Profile } from "../src/gpu/profiles.ts";
import type { Runtime } from "../src/gpu/runtime.ts";
import type { TextTrunk } from "../src/model/text_trunk.ts";
import { valley1, valley2, valley2_5 } from "./shapes/older.ts";
import { valley3 } from "./shapes/valley3.ts";
import { writeSynthetic } from "./synthetic.ts";
import { measureRoof } from "./roof.ts";
import { printTable } from "./timing.ts";

const SHAPES = {
  "8b": () => valley3("8b"),
  "32b": () => valley3("32b", 8),
  "valley2.5": valley2_5,
  "valley2": valley2,
  "valley1": () => valley1("7b"),
  "valley1-13b": () => valley1("13b"),
};
export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES = Object.keys(SHAPES);

const GREEDY: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };
const PROMPT = 32;
/** Where the picture's tokens begin in the prompt; what does not fit into it is encoded all the same. */
const PICTURE_AT = 4;
const KV_BYTES = 64 << 20;

export interface BigResult {
  shapes: ShapeName;
  /** Where not all layers are there. */
  note: string | null;
  fileBytes: number;
  deviceBytes: number;
  /** Seconds: reading the file alone (page cache warm); its weights onto the device (warm). */
  readSeconds: number;
  loadSeconds: number;
  loadOverRead: number;
  /** Seconds beside it: measuring which kernels suit the device (0 where they are given), using every kernel once. */
  choosingSeconds: number;
  warmUpSeconds: number;
  /** Largest resident size while loading, less what was resident before and (on a CPU driver) the device's memory. */
  hostBytesAboveDevice: number;
  loadGBPerSecond: number;
  /** Seconds of the prompt's picture (or clip) through its encoders. */
  pictureSeconds: number;
  picture: string;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
  /** Of what the adapter's reading rate allows for the weights alone. */
  shareOfRoof: number;
  dispatchesPerToken: number;
  submitsPerToken: number;
  /** Median milliseconds of the host for one step with nothing else queued: encoding, and submit. */
  encodeAndSubmitMs: number;
  /** Steps that the host submitted before it read any id. */
  stepsWithoutWaiting: number;
  /** Bytes bound by all dispatches of a token, the embedding table counted as its one row, over weights + KV. */
  boundOverNeeded: number;
}

export async function benchBig(
  project: string,
  shapes: ShapeName,
  tokens: number,
  profile: Profile | null,
): Promise<BigResult> {
  const folder = `${project}weights/synthetic-${shapes.startsWith("valley") ? "" : "valley3-"}${shapes}`;
  const begun = performance.now();
  /** What begins now: on a CPU a stage takes minutes. */
  const stage = (text: string) =>
    console.log(`${((performance.now() - begun) / 1000).toFixed(0)} s: ${text}`);
  stage(`${folder}: true shapes, arbitrary int4`);
  const shape = SHAPES[shapes]();
  const fileBytes = writeSynthetic(folder, shape);
  const file = `${folder}/model.safetensors`;
  readThrough(file); // the page cache is warm for both
  const readSeconds = readThrough(file);
  const before = resident("VmRSS");
  resetPeak();
  const begins: { [stage in LoadStage]?: number } = {};
  const model = await loadModel(folder, {
    profile,
    onStage: (name) => {
      begins[name] = performance.now();
      stage(name);
    },
    kvBytes: KV_BYTES,
    maxSequences: 1,
    mediaBytes: 16 << 20,
  });
  const { "choosing kernels": choosing = 0, weights = 0, "warming up": warming = 0 } = begins;
  const loadSeconds = (warming - weights) / 1000;
  const choosingSeconds = (weights - choosing) / 1000;
  const warmUpSeconds = (performance.now() - warming) / 1000;
  const { runtime, trunk } = model as unknown as { runtime: Runtime; trunk: TextTrunk };
  const deviceBytes = runtime.memory.bytes;
  const peak = resident("VmHWM");
  const hostBytesAboveDevice = peak - before -
    (resident("VmRSS") - before > deviceBytes / 2 ? deviceBytes : 0);

  const blocks = Uint32Array.from({ length: Math.ceil((PROMPT + 4 * tokens + 64) / 16) }, (_, i) => i);
  const picture = mediumOf(shape.medium);
  const step = (start: number, ids: Uint32Array | null): SequenceStep => {
    const count = ids?.length ?? 1;
    const positions = Float32Array.from({ length: 3 * count }, (_, i) => start + i % count);
    const mediaRows = start === 0
      ? Int32Array.from({ length: count }, (_, i) => {
        const row = i - PICTURE_AT;
        return row >= 0 && row < picture.tokens ? row : -1;
      })
      : null;
    return { slot: 0, ids, start, positions, mediaRows, blocks, sample: GREEDY };
  };
  const prompt = Uint32Array.from({ length: PROMPT }, (_, i) => 1000 + 37 * i);
  stage("a picture and a prompt, twice: the first time compiles");
  model.encodeMedia(picture, 0);
  await model.read([model.step([step(0, prompt)])]); // compiles
  const pictureSeconds = await seconds(async () => {
    model.encodeMedia(picture, 0);
    await runtime.gpu.queue.onSubmittedWorkDone();
  });
  const prefillTokensPerSecond = PROMPT / await seconds(() => model.read([model.step([step(0, prompt)])]));
  stage("decoding");
  let at = PROMPT;
  await model.read([model.step([step(at++, null)]), model.step([step(at++, null)])]); // compiles, records the tape

  const { counters } = runtime;
  const counted = { ...counters };
  const decodeTokensPerSecond = tokens /
    await seconds(() => model.read(Array.from({ length: tokens }, () => model.step([step(at++, null)]))));
  const dispatchesPerToken = (counters.dispatches - counted.dispatches) / tokens;
  const submitsPerToken = (counters.submits - counted.submits) / tokens;

  const host: number[] = [];
  for (let i = 0; i < tokens; i++) {
    const t = performance.now();
    const handle = model.step([step(at++, null)]);
    host.push(performance.now() - t);
    await model.read([handle]);
  }
  const encodeAndSubmitMs = host.sort((a, b) => a - b)[host.length >> 1];
  const boundOverNeeded = await boundShare(runtime, trunk, async () => {
    await model.read([model.step([step(at++, null)])]);
  });
  stage("the reading roof");
  const roof = await measureRoof(runtime);
  const read = runtime.profile.memory === "texture" ? roof.readTexture : roof.readBuffer;
  const shareOfRoof = decodeTokensPerSecond * trunk.bytesPerToken / (read * 1e9);
  model.destroy();

  const result = {
    shapes,
    note: shape.note ?? null,
    fileBytes,
    deviceBytes,
    readSeconds,
    loadSeconds,
    loadOverRead: loadSeconds / readSeconds,
    choosingSeconds,
    warmUpSeconds,
    hostBytesAboveDevice,
    loadGBPerSecond: fileBytes / loadSeconds / 1e9,
    pictureSeconds,
    picture: `${picture.kind} (${picture.tokens} tokens)`,
    prefillTokensPerSecond,
    decodeTokensPerSecond,
    shareOfRoof,
    dispatchesPerToken,
    submitsPerToken,
    encodeAndSubmitMs,
    stepsWithoutWaiting: tokens,
    boundOverNeeded,
  };
  print(result);
  return result;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function mediumOf({ length, ...medium }: MadeUp): MediaFeature {
  return { ...medium, digest: "bench", data: Float32Array.from({ length }, (_, i) => Math.sin(i)) };
}

/** Seconds to read a file once, 16 MiB at a time. */
function readThrough(path: string): number {
  const file = Deno.openSync(path);
  const piece = new Uint8Array(16 << 20);
  const start = performance.now();
  while (file.readSync(piece) !== null);
  file.close();
  return (performance.now() - start) / 1000;
}

/** A field of /proc/self/status in bytes; NaN where there is none. */
function resident(field: "VmRSS" | "VmHWM"): number {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  } catch {
    return NaN;
  }
}

function resetPeak(): void {
  try {
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  } catch { /* the peak is then that of the whole process */ }
}

async function boundShare(runtime: Runtime, trunk: TextTrunk, decode: () => Promise<void>): Promise<number> {
  if (!runtime.gpu.has.timestamps) return NaN;
  runtime.startTiming();
  await decode();
  const rows = await runtime.stopTiming();
  const bound = rows.reduce((sum, r) => sum + (r.kernel.startsWith("embed") ? 0 : r.bytes), 0);
  return bound / (trunk.bytesPerToken + KV_BYTES);
}

function print(r: BigResult): void {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  printTable([
    [`${r.shapes}${r.note ? ` (${r.note})` : ""}, synthetic int4`, "", "mark"],
    ["file / on the device", `${gib(r.fileBytes)} / ${gib(r.deviceBytes)}`, ""],
    [
      "weights onto the device / read, both warm",
      `${r.loadSeconds.toFixed(2)} / ${r.readSeconds.toFixed(2)} s`,
      "",
    ],
    ["", `${r.loadOverRead.toFixed(2)} (${r.loadGBPerSecond.toFixed(2)} GB/s)`, "≤ 1.3"],
    ["choice of kernels, warm-up", `${r.choosingSeconds.toFixed(1)}, ${r.warmUpSeconds.toFixed(1)} s`, ""],
    ["host memory above the device's", gib(r.hostBytesAboveDevice), "< 1.5 GiB"],
    [`the prompt's ${r.picture}`, `${r.pictureSeconds.toFixed(2)} s`, ""],
    [`prefill of ${PROMPT}`, `${r.prefillTokensPerSecond.toFixed(2)} tokens/s`, ""],
    ["decode", `${r.decodeTokensPerSecond.toFixed(3)} tokens/s`, ""],
    ["", `${(100 * r.shareOfRoof).toFixed(0)} % of the reading roof`, ""],
    ["dispatches a token", r.dispatchesPerToken.toFixed(1), "≤ 200"],
    ["submits a token", r.submitsPerToken.toFixed(1), "1"],
    ["host: encode and submit a step", `${r.encodeAndSubmitMs.toFixed(2)} ms`, "≤ 1 ms"],
    ["steps submitted before a read", String(r.stepsWithoutWaiting), ""],
    ["bytes bound / (weights + KV)", r.boundOverNeeded.toFixed(3), "≤ 1.05"],
  ]);
}
