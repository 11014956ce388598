/**
 * `bench quant`: what each way to four bits costs: bits a weight, KL divergence from the float reference and perplexity
 * on held-out text, seconds. Every contender quantises the same file and is computed by the same code in float32.
 * The embedding (which is the head too) stays as in the reference for all: llama.cpp gives it 8 bits, which would hide
 * what is compared.
 */
import type { TextModel } from "../src/families/text/model.ts";
import { loadModel } from "../src/families/registry.ts";
import { readCheckpointFiles } from "../src/prompt/checkpoint_files.ts";
import { Tokenizer } from "../src/prompt/tokenizer.ts";
import { readTensors } from "../src/gpu/readback.ts";
import type { Profile } from "../src/gpu/profiles.ts";
import type { Tensor } from "../src/gpu/tensor.ts";
import { convert } from "../src/weights/convert.ts";
import { activations, WINDOW } from "../src/commands/calibration.ts";
import { llamaQuantize, type LlamaType } from "./peers/llama_quantize.ts";
import { installPeers } from "./peers/packages.ts";
import { bitsOfGguf, EMBEDDING, expandGguf, writeReference } from "./quant_reference.ts";
import { printTable } from "./timing.ts";

/** Windows of each held-out text. */
const WINDOWS = 3;
const SEED = 20261124;

interface Row {
  name: string;
  bits: number;
  /** Nats a token, and standard error. */
  kl: number;
  klError: number;
  perplexity: number;
  /** Share of positions at which the likeliest token is the reference's. */
  top1: number;
  seconds: number | null;
}

export async function benchQuant(project: string, profile: Profile | null): Promise<object> {
  const peers = await installPeers();
  const work = `${peers.folder}/quant`;
  Deno.mkdirSync(work, { recursive: true });
  const reference = `${work}/reference.gguf`;
  writeReference(peers.gguf, reference, SEED);
  expandGguf(reference, `${work}/f32`, null);
  const { tokenizer: json } = await readCheckpointFiles(`${work}/f32`);
  const tokenizer = new Tokenizer(json);
  const windows = heldOut(project, tokenizer);
  const calibration = cut(tokenizer, Deno.readTextFileSync(`${project}tools/demo/README.md`), 4);
  const measure = (folder: string) => logitsOf(folder, windows, profile);
  const exact = await measure(`${work}/f32`);
  const rows: Row[] = [{ ...score(exact, exact, windows), name: "reference", bits: 32, seconds: null }];
  const threads = navigator.hardwareConcurrency;
  for (const type of ["Q4_0", "Q4_1", "Q4_K_M"] as LlamaType[]) {
    const file = `${work}/${type}.gguf`;
    const seconds = llamaQuantize(peers.folder, type, reference, file, threads);
    expandGguf(file, `${work}/expanded`, reference);
    rows.push({
      ...score(await measure(`${work}/expanded`), exact, windows),
      name: `llama.cpp ${type}`,
      bits: bitsOfGguf(file),
      seconds,
    });
    tell(rows.at(-1)!);
  }
  const importance = await activations(`${work}/f32`, calibration, { profile });
  const ours = {
    "int4 nearest": { rounding: "nearest" },
    "int4 search": { rounding: "search" },
    "int4 search, activations": {
      rounding: "search",
      importance: (tensor: string) => importance.get(tensor) ?? null,
    },
  } as const;
  for (const [name, options] of Object.entries(ours)) {
    const folder = `${work}/int4`;
    for (const old of [folder, `${work}/mixed`]) await Deno.remove(old, { recursive: true }).catch(() => {});
    const start = performance.now();
    await convert(reference, folder, {
      ...options,
      workers: threads,
      importanceDigest: name,
      keep: EMBEDDING,
    });
    const seconds = (performance.now() - start) / 1000;
    rows.push({ ...score(await measure(folder), exact, windows), name, bits: 5, seconds });
    tell(rows.at(-1)!);
  }
  printTable([
    ["SmolLM2-135M and noise", "bits", "KL", "±", "perplexity", "top-1, %", "seconds"],
    ...rows.map((r) => [r.name, r.bits, r.kl, r.klError, r.perplexity, 100 * r.top1, r.seconds ?? ""]),
  ]);
  await Deno.remove(work, { recursive: true });
  return { tokens: windows.length * (WINDOW - 1), rows };
}

const tell = ({ name, kl }: Row) => console.log(`${name}: KL ${kl.toPrecision(4)}`);

/** The peers' text and the project's README: not what was calibrated on. */
function heldOut(project: string, tokenizer: Tokenizer): Uint32Array[] {
  return ["bench/peers/text.txt", "README.md"].flatMap((path) =>
    cut(tokenizer, Deno.readTextFileSync(project + path), WINDOWS)
  );
}

function cut(tokenizer: Tokenizer, text: string, windows: number): Uint32Array[] {
  const ids = tokenizer.encode(text.slice(0, 20_000));
  return Array.from({ length: windows }, (_, i) => ids.slice(i * WINDOW, (i + 1) * WINDOW))
    .filter((window) => window.length === WINDOW);
}

/** Logits [WINDOW, vocab] of each window. */
async function logitsOf(
  folder: string,
  windows: Uint32Array[],
  profile: Profile | null,
): Promise<Float32Array[]> {
  const model = await loadModel(folder, {
    profile,
    kvPrecision: "f32",
    kvBytes: 64 << 20,
    mediaBytes: 1 << 20,
    maxSequences: 1,
    maxBatchTokens: WINDOW,
  }) as TextModel;
  try {
    const out: Float32Array[] = [];
    for (const ids of windows) {
      const normed: Tensor[] = [], others: Tensor[] = [];
      const positions = Float32Array.from(ids, (_, i) => i);
      const blocks = Uint32Array.from({ length: Math.ceil(WINDOW / model.info.blockSize) }, (_, i) => i);
      const step = { slot: 0, ids, start: 0, positions, mediaRows: null, blocks, sample: null };
      model.step([step], (name, tensor) => {
        (name === "text.final_norm" ? normed : others).push(tensor);
      });
      const pass = model.runtime.begin("logits");
      const logits = model.trunk.logits(pass, normed[0]);
      pass.submit();
      out.push((await readTensors(model.runtime, [logits]))[0]);
      for (const { buf } of [...normed, ...others]) model.runtime.memory.free(buf);
    }
    return out;
  } finally {
    model.destroy();
  }
}

/** KL(reference ‖ contender) and the contender's perplexity over all positions that have a next token. */
function score(
  given: Float32Array[],
  exact: Float32Array[],
  windows: Uint32Array[],
): Pick<Row, "kl" | "klError" | "perplexity" | "top1"> {
  const kls: number[] = [];
  let loss = 0, same = 0;
  windows.forEach((ids, w) => {
    const vocab = given[w].length / ids.length;
    for (let i = 0; i + 1 < ids.length; i++) {
      const q = given[w].subarray(i * vocab, (i + 1) * vocab),
        p = exact[w].subarray(i * vocab, (i + 1) * vocab);
      const logQ = logSum(q), logP = logSum(p);
      let kl = 0, bestP = 0, bestQ = 0;
      for (let v = 0; v < vocab; v++) {
        const lp = p[v] - logP;
        kl += Math.exp(lp) * (lp - q[v] + logQ);
        if (p[v] > p[bestP]) bestP = v;
        if (q[v] > q[bestQ]) bestQ = v;
      }
      kls.push(kl);
      loss += logQ - q[ids[i + 1]];
      same += bestP === bestQ ? 1 : 0;
    }
  });
  const kl = kls.reduce((a, b) => a + b, 0) / kls.length;
  const variance = kls.reduce((a, b) => a + (b - kl) ** 2, 0) / (kls.length - 1);
  return {
    kl,
    klError: Math.sqrt(variance / kls.length),
    perplexity: Math.exp(loss / kls.length),
    top1: same / kls.length,
  };
}

function logSum(logits: Float32Array): number {
  let most = -Infinity;
  for (const l of logits) if (l > most) most = l;
  let sum = 0;
  for (const l of logits) sum += Math.exp(l - most);
  return most + Math.log(sum);
}
