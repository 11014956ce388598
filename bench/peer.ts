/**
 * `bench peer`: SmolLM2-135M-Instruct beside llama.cpp (Vulkan on the same adapter, and its own CPU build), and int4
 * products beside ONNX Runtime on SwiftShader. Same file, same prompt ids, greedy.
 */
import type { Sampling, SequenceStep } from "../src/families/family.ts";
import { loadModel } from "../src/families/registry.ts";
import type { Profile } from "../src/gpu/profiles.ts";
import { swiftshaderEnv } from "../tools/setup/swiftshader.ts";
import { installPeers, type Peers, runJson } from "./peers/packages.ts";
import { SQUARE, SQUARE_ROWS, type SquareResult } from "./square.ts";
import { printTable } from "./timing.ts";

const PREFILL = 512;
/** llama.cpp over a CPU's Vulkan driver prefills about one token a second: a shorter prompt there, and its rate. */
const PREFILL_VULKAN = 64;
const DECODE = 48;
const DECODE_VULKAN = 8;
const ROUNDS = 2;
const GREEDY: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0, logprobs: 2 };

interface LlamaRun {
  device: string;
  tokens: number[];
  ids: number[];
  prefillMs: number;
  decodeMs: number;
}

interface Ours {
  prefillPerSecond: number;
  decodePerSecond: number;
  ids: number[];
  /** Log-probability of the id less that of the runner-up, by step. */
  gaps: number[];
}

export async function benchPeer(project: string, profile: Profile | null): Promise<object> {
  const peers = await installPeers();
  const llama = (device: string, prefill: number, decode: number) =>
    runJson<LlamaRun>("node", [
      `${project}bench/peers/llama.mjs`,
      peers.folder,
      peers.gguf,
      device,
      `${project}bench/peers/text.txt`,
      String(prefill),
      String(decode),
    ], device === "vulkan" ? { GGML_VK_VISIBLE_DEVICES: "0" } : {}); // else it passes over CPU drivers in silence
  const folder = await convertGguf(project, peers);
  console.log("llama.cpp over Vulkan …");
  const vulkan = await llama("vulkan", PREFILL_VULKAN, DECODE_VULKAN);
  let cpu: LlamaRun | null = null, ours: Ours | null = null;
  for (let round = 1; round <= ROUNDS; round++) { // by turns: what else the machine does is shared
    console.log(`llama.cpp on the CPU, this engine, round ${round} …`);
    cpu = faster(cpu, await llama("cpu", PREFILL, DECODE));
    ours = better(ours, await runOurs(folder, cpu.tokens, profile));
  }
  if (cpu === null || ours === null) throw new Error("Cannot compare: no round was run");
  const rate = (tokens: number, ms: number) => tokens / ms * 1000;
  const theirs = {
    cpu: { prefill: rate(cpu.tokens.length, cpu.prefillMs), decode: rate(DECODE, cpu.decodeMs) },
    vulkan: {
      prefill: rate(vulkan.tokens.length, vulkan.prefillMs),
      decode: rate(DECODE_VULKAN, vulkan.decodeMs),
    },
  };
  const square = await squares(project, peers);
  const ratios = {
    decode_vs_llama_vulkan: ours.decodePerSecond / theirs.vulkan.decode,
    prefill_vs_llama_vulkan: ours.prefillPerSecond / theirs.vulkan.prefill,
    decode_vs_llama_cpu: ours.decodePerSecond / theirs.cpu.decode,
    prefill_vs_llama_cpu: ours.prefillPerSecond / theirs.cpu.prefill,
    matvec_vs_ort: square ? square.ort.ms[1] / square.ours.ms[1] : null,
    matmul64_vs_ort: square ? square.ort.ms[64] / square.ours.ms[64] : null,
  };
  const same = cpu.ids.findIndex((id, i) => i < ours.ids.length && id !== ours.ids[i]);
  const agreement = same < 0
    ? `all ${Math.min(cpu.ids.length, ours.ids.length)} ids are llama.cpp's`
    : `the first ${same} ids are llama.cpp's; there the two best differ by ${ours.gaps[same].toFixed(3)}`;
  const times = (x: number | null) => x === null ? "not run" : `${x.toFixed(1)} ×`;
  printTable([
    ["SmolLM2-135M Q4_1", "this engine", "llama.cpp Vulkan", "llama.cpp CPU"],
    [`prefill, tokens/s`, ours.prefillPerSecond, theirs.vulkan.prefill, theirs.cpu.prefill],
    ["decode, tokens/s", ours.decodePerSecond, theirs.vulkan.decode, theirs.cpu.decode],
    [
      "prefill: this engine is",
      "",
      times(ratios.prefill_vs_llama_vulkan),
      times(ratios.prefill_vs_llama_cpu),
    ],
    ["decode: this engine is", "", times(ratios.decode_vs_llama_vulkan), times(ratios.decode_vs_llama_cpu)],
  ]);
  console.log(agreement);
  if (square) {
    printTable([
      [`int4 ${SQUARE} × ${SQUARE} on SwiftShader, ms`, "this engine", "ONNX Runtime", "ratio"],
      ["1 row", square.ours.ms[1], square.ort.ms[1], times(ratios.matvec_vs_ort)],
      ["64 rows", square.ours.ms[64], square.ort.ms[64], times(ratios.matmul64_vs_ort)],
    ]);
  } else console.log("ONNX Runtime was not run: there is no SwiftShader (Debian: chromium-common)");
  return { ratios, ours, theirs, agreement, square };
}

const faster = (a: LlamaRun | null, b: LlamaRun): LlamaRun =>
  a === null ? b : {
    ...b,
    prefillMs: Math.min(a.prefillMs, b.prefillMs),
    decodeMs: Math.min(a.decodeMs, b.decodeMs),
  };

const better = (a: Ours | null, b: Ours): Ours =>
  a === null ? b : {
    ...b,
    prefillPerSecond: Math.max(a.prefillPerSecond, b.prefillPerSecond),
    decodePerSecond: Math.max(a.decodePerSecond, b.decodePerSecond),
  };

/** The folder of the model as this engine serves it. */
async function convertGguf(project: string, peers: Peers): Promise<string> {
  const folder = `${peers.folder}/smollm2-int4`;
  const convert = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${project}main.ts`, "convert", peers.gguf, folder],
    stdin: "null",
  });
  if (!(await convert.spawn().status).success) throw new Error(`Cannot convert ${peers.gguf}`);
  return folder;
}

async function runOurs(folder: string, prompt: number[], profile: Profile | null): Promise<Ours> {
  const model = await loadModel(folder, { profile, maxSequences: 1 });
  try {
    const axes = model.info.positionAxes;
    const blocks = Uint32Array.from({ length: 64 }, (_, i) => i);
    const step = (start: number, ids: Uint32Array | null): SequenceStep => {
      const count = ids?.length ?? 1;
      const positions = Float32Array.from({ length: axes * count }, (_, i) => start + i % count);
      return { slot: 0, ids, start, positions, mediaRows: null, blocks, sample: GREEDY };
    };
    const whole = Uint32Array.from(prompt);
    await model.read([model.step([step(0, whole)])]); // compiles
    let prefillMs = Infinity;
    for (let i = 0; i < 2; i++) {
      const start = performance.now();
      await model.read([model.step([step(0, whole)])]);
      prefillMs = Math.min(prefillMs, performance.now() - start);
    }
    const [[first]] = await model.read([model.step([step(0, whole.subarray(0, 32))])]);
    const start = performance.now();
    const handles = Array.from({ length: DECODE }, (_, i) => model.step([step(32 + i, null)]));
    const rest = (await model.read(handles)).map(([s]) => s);
    const decodeMs = performance.now() - start;
    const drawn = [first, ...rest];
    return {
      prefillPerSecond: prompt.length / prefillMs * 1000,
      decodePerSecond: DECODE / decodeMs * 1000,
      ids: drawn.map((s) => s.id),
      gaps: drawn.map((s) => s.top![0].logprob - s.top![1].logprob),
    };
  } finally {
    model.destroy();
  }
}

/** Both engines on SwiftShader in processes of their own; null without it. */
async function squares(
  project: string,
  peers: Peers,
): Promise<{ ours: SquareResult; ort: SquareResult } | null> {
  const env = swiftshaderEnv(peers.folder);
  if (env === null) return null;
  console.log("int4 products on SwiftShader …");
  const json = `${peers.folder}/square.json`;
  const run = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", `${project}bench/main.ts`, "square", "--json", json],
    env: { ...env },
    stdin: "null",
    stdout: "null",
  });
  if (!(await run.spawn().status).success) throw new Error("Cannot run bench square on SwiftShader");
  const ours: SquareResult = JSON.parse(Deno.readTextFileSync(json));
  const args = [`${project}bench/peers/ort.mjs`, peers.folder, String(SQUARE), ...SQUARE_ROWS.map(String)];
  return { ours, ort: await runJson<SquareResult>("node", args, { ...env }) };
}
