/** What `doctor` looks at: the adapter, helpers, permissions, a model's needs, and a few seconds of decoding. */
import { selfTest } from "../engine/self_test.ts";
import type { Model } from "../families/family.ts";
import { readModelFolder } from "../families/model_folder.ts";
import { LOAD_DEFAULTS, loadModel } from "../families/registry.ts";
import { measureBandwidth } from "../gpu/bandwidth.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { SafetensorsFile } from "../gpu/safetensors.ts";

export interface Problem {
  what: string;
  fix: string;
  /** Serving needs it. */
  required: boolean;
}

export interface AdapterReport {
  name: string;
  features: Gpu["has"];
  limits: Gpu["limits"];
  /** GB/s, by copying. */
  bandwidth: number;
}

/** The adapter, or what is wrong with it. */
export async function checkAdapter(problems: Problem[]): Promise<AdapterReport | null> {
  let gpu: Gpu;
  try {
    gpu = await openGpu();
  } catch (error) {
    const fix = Deno.build.os === "linux"
      ? "install the driver of your card with Vulkan; without a card: apt install mesa-vulkan-drivers"
      : "update the system's graphics driver";
    problems.push({ what: (error as Error).message, fix, required: true });
    return null;
  }
  try {
    if (/llvmpipe|lavapipe|swiftshader/i.test(gpu.name)) {
      const what = `the adapter is a processor (${gpu.name}): right, but slow`;
      problems.push({
        what,
        fix:
          "on a machine with a card, install its Vulkan driver and see that /dev/dri or /dev/nvidia* is open",
        required: false,
      });
    }
    return { name: gpu.name, features: gpu.has, limits: gpu.limits, bandwidth: await measureBandwidth(gpu) };
  } finally {
    gpu.device.destroy();
  }
}

/** Bytes of free and all main memory, or null where it cannot be told. */
export function hostMemory(): { total: number; available: number } | null {
  try {
    const { total, available } = Deno.systemMemoryInfo();
    return { total, available };
  } catch {
    return null;
  }
}

/** Whether what serving does is allowed: "granted", "prompt" (asked for, which the tasks refuse) or "denied". */
export async function permissionStates(
  models: string,
  ffmpeg: string | null,
): Promise<Record<string, string>> {
  const asked: Record<string, Deno.PermissionDescriptor> = {
    "listen and fetch": { name: "net" },
    [`read ${models}`]: { name: "read", path: models },
    [`write ${models}`]: { name: "write", path: models },
    ...(ffmpeg === null ? {} : { [`run ${ffmpeg}`]: { name: "run", command: ffmpeg } }),
  };
  const states: Record<string, string> = {};
  for (const [what, descriptor] of Object.entries(asked)) {
    states[what] = (await Deno.permissions.query(descriptor)).state;
  }
  return states;
}

export interface ModelReport {
  folder: string;
  /** Bytes of weights, as they lie on disk and on the device. */
  weights: number;
  /** Bytes of keys and values for one token (f16). */
  kvPerToken: number;
  longestContext: number;
  /** Tokens of context, in all conversations together, that device memory of so many GiB leaves room for. */
  tokensIn: Record<string, number>;
}

/** Activations, encoders' scratch memory and the driver's own: a rough allowance. */
const OVERHEAD = 1 << 30;

/** What a model folder needs. @throws Error naming what cannot be read */
export function modelNeeds(folder: string): ModelReport {
  const { config } = readModelFolder(folder);
  const text = textConfig(config);
  const number = (key: string, fallback: number) =>
    typeof text[key] === "number" ? text[key] as number : fallback;
  const heads = number("num_attention_heads", 1);
  const kvHeads = number("num_key_value_heads", heads);
  const dim = number("head_dim", number("hidden_size", 0) / heads);
  const kvPerToken = 2 * 2 * number("num_hidden_layers", 0) * kvHeads * dim;
  const weights = weightFiles(folder).reduce((sum, path) => sum + Deno.statSync(path).size, 0);
  const longestContext = number("max_position_embeddings", 0);
  const tokensIn = Object.fromEntries([8, 12, 16, 24, 48, 80].map((gib) => {
    const left = gib * 2 ** 30 - weights - OVERHEAD - LOAD_DEFAULTS.mediaBytes;
    return [`${gib} GiB`, Math.max(0, Math.floor(left / Math.max(1, kvPerToken)))];
  }));
  return { folder, weights, kvPerToken, longestContext, tokensIn };
}

/** The part of config.json that describes the text trunk, wherever a family puts it. */
function textConfig(config: Record<string, unknown>): Record<string, unknown> {
  for (const key of ["thinker_config", "text_config", "llm_config"]) {
    const inner = config[key];
    if (typeof inner === "object" && inner !== null) return textConfig(inner as Record<string, unknown>);
  }
  return config;
}

const weightFiles = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".safetensors"))
    .map(({ name }) => `${folder}/${name}`);

export interface SelfTest {
  tokensPerSecond: number;
  tokens: number;
  /** Bytes of weights that one token reads. */
  bytesPerToken: number;
  /** Of the bandwidth that copying reaches. */
  shareOfRoof: number;
}

/** Loads the model, checks that it draws the same twice, decodes for `seconds`. @throws Error saying what failed */
export async function runSelfTest(folder: string, bandwidth: number, seconds: number): Promise<SelfTest> {
  const model = await loadModel(folder, { kvBytes: 64 << 20, mediaBytes: 16 << 20, maxSequences: 1 });
  try {
    await selfTest(model);
    const { tokens, elapsed } = await decode(model, seconds);
    const bytesPerToken = trunkBytes(folder);
    const tokensPerSecond = tokens / elapsed;
    return {
      tokensPerSecond,
      tokens,
      bytesPerToken,
      shareOfRoof: tokensPerSecond * bytesPerToken / 1e9 / bandwidth,
    };
  } finally {
    model.destroy();
  }
}

/** Decodes one conversation, each step submitted before the last one's id has come back. */
async function decode(model: Model, seconds: number): Promise<{ tokens: number; elapsed: number }> {
  const { positionAxes, blockSize, numBlocks, maxContext } = model.info;
  const blocks = Uint32Array.from({ length: numBlocks }, (_, i) => i);
  const most = Math.min(numBlocks * blockSize, maxContext) - 1;
  const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };
  const step = (start: number, ids: Uint32Array | null) =>
    model.step([{
      slot: 0,
      ids,
      start,
      positions: new Float32Array(positionAxes).fill(start),
      mediaRows: null,
      blocks,
      sample,
    }]);
  await model.read([step(0, Uint32Array.of(1))]);
  const begin = performance.now();
  let at = 1, before = step(at, null);
  while (performance.now() - begin < 1000 * seconds && at + 1 < most) {
    const next = step(++at, null);
    await model.read([before]);
    before = next;
  }
  await model.read([before]);
  return { tokens: at, elapsed: (performance.now() - begin) / 1000 };
}

/** Bytes of the text trunk and head: what one token reads. A table that is only looked up is not read. */
function trunkBytes(folder: string): number {
  const sizes = new Map<string, number>();
  for (const path of weightFiles(folder)) {
    const file = SafetensorsFile.open(path);
    for (const { name, begin, end } of file.tensors.values()) sizes.set(name, end - begin);
    file.close();
  }
  const untied = [...sizes.keys()].some((name) => /(^|\.)lm_head\./.test(name));
  let sum = 0;
  for (const [name, bytes] of sizes) {
    const media = /visual|vision|audio|image|projector|qformer/i.test(name);
    if (!media && !(untied && name.includes("embed_tokens"))) sum += bytes;
  }
  return sum;
}
