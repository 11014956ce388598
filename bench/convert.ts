/**
 * `bench convert`: seconds to turn the same bf16 file into four bits, by llama.cpp (Q4_1) and by this converter, by turns,
 * with as many threads as there are cores, file in the page cache and nothing else waiting to be written to disk. The CPU
 * seconds tell more than the wall's where other work shares the cores. llama.cpp neither hashes nor waits for the disk.
 */
import process from "node:process";
import { GgufFile } from "../src/weights/gguf.ts";
import { convert } from "../src/weights/convert.ts";
import type { Rounding } from "../src/weights/slab.ts";
import { random } from "../tools/random.ts";
import { llamaQuantize } from "./peers/llama_quantize.ts";
import { installPeers } from "./peers/packages.ts";
import { writeGguf } from "./quant_reference.ts";
import { printTable } from "./timing.ts";

const MATRICES = 30, SIDE = 4096, ROUNDS = 6;

export async function benchConvert(): Promise<object> {
  const peers = await installPeers();
  const work = `${peers.folder}/convert`;
  Deno.mkdirSync(work, { recursive: true });
  const file = `${work}/bf16.gguf`;
  writeSynthetic(peers.gguf, file);
  synced(file);
  const bytes = Deno.statSync(file).size;
  const threads = navigator.hardwareConcurrency;
  const seconds: Record<string, number[]> = { "llama.cpp Q4_1": [], nearest: [], search: [] };
  const cpu: Record<string, number[]> = { "llama.cpp Q4_1": [], nearest: [], search: [] };
  /** @param run gives its seconds */
  const timed = async (name: string, run: () => number | Promise<number>) => {
    const before = process.cpuUsage();
    seconds[name].push(await run());
    const { user, system } = process.cpuUsage(before);
    cpu[name].push((user + system) / 1e6);
  };
  const ours = async (rounding: Rounding) => {
    const folder = `${work}/int4`;
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await timed(rounding, async () => {
      const start = performance.now();
      await convert(file, folder, { rounding, workers: threads });
      return (performance.now() - start) / 1000;
    });
  };
  for (let round = 0; round < ROUNDS; round++) {
    const to = `${work}/q4_1.gguf`;
    await timed("llama.cpp Q4_1", () => llamaQuantize(peers.folder, "Q4_1", file, to, threads));
    synced(to);
    await ours("nearest");
  }
  await ours("search");
  await Deno.remove(work, { recursive: true });
  const gb = bytes / 1e9;
  printTable([
    [
      `bf16, ${gb.toFixed(2)} GB, ${threads} threads, ${ROUNDS} turns`,
      "seconds, least",
      "median",
      "CPU seconds, least",
      "median",
      "GB/s of source",
    ],
    ...Object.entries(seconds).map(([name, all]) => {
      const least = Math.min(...all);
      return [name, least, median(all), Math.min(...cpu[name]), median(cpu[name]), gb / least];
    }),
  ]);
  for (const [name, all] of Object.entries(seconds)) {
    console.log(`${name}: ${all.map((s) => s.toFixed(2)).join(" ")} s`);
  }
  return { bytes, threads, seconds, cpu };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Waits until a file is on disk: what follows shall not share the disk with it. */
function synced(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.syncSync();
}

/** Matrices of normal-looking bf16 values under names that llama.cpp quantises. */
function writeSynthetic(like: string, to: string): void {
  const next = random(7);
  const values = Uint16Array.from({ length: SIDE * SIDE }, () => {
    const sum = next() + next() + next() - 1.5;
    return new Uint32Array(Float32Array.of(0.04 * sum).buffer)[0] >>> 16;
  });
  const source = GgufFile.open(like);
  try {
    const names = Array.from(
      { length: MATRICES },
      (_, i) => i ? `blk.${i >> 1}.${i % 2 ? "ffn_up" : "ffn_down"}.weight` : "token_embd.weight",
    );
    const tensors = names.map((name) => ({ name, shape: [SIDE, SIDE] }));
    writeGguf(source, to, "BF16", tensors, () => new Uint8Array(values.buffer));
  } finally {
    source.close();
  }
}
