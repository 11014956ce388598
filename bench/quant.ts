/**
 * `bench quant`: what each way to four bits costs: bits a weight, KL divergence from the float reference and perplexity
 * on held-out text, seconds. Every contender quantises the same file and is computed by the same code in float32.
 * Embedding and head stay as in the reference for all: llama.cpp gives them 6 or 8 bits, which would hide what is
 * compared. llama.cpp's imatrix is what its llama-imatrix measures, the mean squared input of each column, taken here
 * from the same tokens as `convert --calibrate` weighs by, for no package carries that program.
 */
import type { Profile } from "../src/gpu/profiles.ts";
import { convert } from "../src/weights/convert.ts";
import type { ConvertOptions } from "../src/weights/convert_job.ts";
import { INT4_BITS } from "../src/weights/mixed.ts";
import { activations } from "../src/commands/calibration.ts";
import { type Imatrix, llamaQuantize, type LlamaType } from "./peers/llama_quantize.ts";
import { installPeers } from "./peers/packages.ts";
import { bitsOfGguf, expandGguf, ggufName, KEPT } from "./quant_reference.ts";
import { logitsOf, type Score, score } from "./quant_score.ts";
import { prepare } from "./quant_subject.ts";
import { printTable } from "./timing.ts";

const LLAMA_TYPES: LlamaType[] = ["Q4_0", "Q4_1", "Q4_K_M"];

interface Row extends Score {
  name: string;
  bits: number;
  seconds: number | null;
}

/** @param model what quant_subject.ts knows */
export async function benchQuant(project: string, profile: Profile | null, model: string): Promise<object> {
  const peers = await installPeers();
  const work = `${peers.folder}/quant`;
  Deno.mkdirSync(work, { recursive: true });
  const reference = `${work}/reference.gguf`, f32 = `${work}/f32`;
  const { title, calibration, heldOut } = await prepare(model, project, peers, reference, f32);
  const exact = await logitsOf(f32, heldOut, profile);
  const rows: Row[] = [{ ...score(exact, exact, heldOut), name: "reference", bits: 32, seconds: null }];
  const threads = navigator.hardwareConcurrency;
  const measure = async (name: string, bits: number, seconds: number, folder: string) => {
    const row = { ...score(await logitsOf(folder, heldOut, profile), exact, heldOut), name, bits, seconds };
    rows.push(row);
    console.log(`${name}: ${bits.toPrecision(4)} bits, KL ${row.kl.toPrecision(4)}`);
  };

  const importance = await activations(f32, calibration, { profile });
  const imatrix: Imatrix = new Map([...importance].map(([name, sums]) => [ggufName(name), sums]));
  for (const type of LLAMA_TYPES) {
    for (const [suffix, columns] of [["", new Map()], [" with imatrix", imatrix]] as const) {
      const file = `${work}/${type}.gguf`;
      const seconds = llamaQuantize(peers.folder, type, reference, file, threads, columns);
      expandGguf(file, `${work}/expanded`, reference);
      await measure(`llama.cpp ${type}${suffix}`, bitsOfGguf(file), seconds, `${work}/expanded`);
    }
  }

  const weighted = {
    rounding: "search",
    importance: (tensor: string) => importance.get(tensor) ?? null,
  } as const;
  // With as many bits as llama.cpp's Q4_K_M turned out to have.
  const { bits } = rows.find(({ name }) => name.includes("Q4_K_M"))!;
  const ours: Record<string, ConvertOptions> = {
    "int4 nearest": { rounding: "nearest" },
    "int4 search": { rounding: "search" },
    "int4 search, activations": weighted,
    ...bits > INT4_BITS ? { "int4 and int8, search, activations": { ...weighted, bits } } : {},
  };
  for (const [name, options] of Object.entries(ours)) {
    const folder = `${work}/int4`;
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    const start = performance.now();
    await convert(reference, folder, {
      ...options,
      workers: threads,
      importanceDigest: name,
      keep: KEPT,
    });
    await measure(name, options.bits ?? INT4_BITS, (performance.now() - start) / 1000, folder);
  }
  printTable([
    [title, "bits", "KL", "±", "perplexity", "top-1, %", "seconds"],
    ...rows.map((r) => [r.name, r.bits, r.kl, r.klError, r.perplexity, 100 * r.top1, r.seconds ?? ""]),
  ]);
  await Deno.remove(work, { recursive: true });
  return { tokens: heldOut.reduce((sum, { ids, first }) => sum + ids.length - first, 0), rows };
}
