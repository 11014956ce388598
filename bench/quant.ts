/**
 * `bench quant`: what each way to four bits costs: bits a weight, KL divergence from the float reference and perplexity
 * on held-out text, seconds. Every contender quantises the same file and is computed by the same code in float32.
 * The embedding (which is the head too) stays as in the reference for all: llama.cpp gives it 8 bits, which would hide
 * what is compared.
 */
import { readCheckpointFiles } from "../src/prompt/checkpoint_files.ts";
import { Tokenizer } from "../src/prompt/tokenizer.ts";
import type { Profile } from "../src/gpu/profiles.ts";
import { convert } from "../src/weights/convert.ts";
import type { ConvertOptions } from "../src/weights/convert_job.ts";
import { INT4_BITS } from "../src/weights/mixed.ts";
import { activations, WINDOW } from "../src/commands/calibration.ts";
import { llamaQuantize, type LlamaType } from "./peers/llama_quantize.ts";
import { installPeers } from "./peers/packages.ts";
import { bitsOfGguf, EMBEDDING, expandGguf, writeReference } from "./quant_reference.ts";
import { cut, heldOut, logitsOf, type Score, score } from "./quant_score.ts";
import { printTable } from "./timing.ts";

const SEED = 20261124;

interface Row extends Score {
  name: string;
  bits: number;
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
  const weighted = {
    rounding: "search",
    importance: (tensor: string) => importance.get(tensor) ?? null,
  } as const;
  const ours: Record<string, ConvertOptions> = {
    "int4 nearest": { rounding: "nearest" },
    "int4 search": { rounding: "search" },
    "int4 search, activations": weighted,
    // as many bits as llama.cpp's Q4_K_M turned out to have
    "int4 and int8, search, activations": { ...weighted, bits: rows.at(-1)!.bits },
  };
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
    rows.push({
      ...score(await measure(folder), exact, windows),
      name,
      bits: options.bits ?? INT4_BITS,
      seconds,
    });
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
