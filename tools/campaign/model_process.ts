/** Commands of `valley` as processes that may be killed, and the checkpoint that they work on. */

import { createHash } from "node:crypto";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { sleep } from "./campaign.ts";
import { type FileKill, type Progress, VARIABLE } from "./watched_files.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
export const KILLS = new URL("./file_kills.ts", import.meta.url).pathname;

export type Files = Record<string, Uint8Array<ArrayBuffer>>;

/** A bf16 checkpoint of `layers` matrices [1024, 1024], two a file. @param seed other weights for each */
export function checkpoint(folder: string, layers: number, seed = 0): Files {
  Deno.mkdirSync(folder, { recursive: true });
  const files: Files = {};
  const map: Record<string, string> = {};
  for (let file = 0; file < layers / 2; file++) {
    const name = `model-0000${file + 1}-of-0000${layers / 2}.safetensors`;
    const plan: PlannedTensor[] = [0, 1].map((i) => {
      const tensor = `layers.${2 * file + i}.weight`;
      map[tensor] = name;
      return { name: tensor, dtype: "BF16", shape: [1024, 1024], bytes: 2 << 20 };
    });
    const writer = SafetensorsWriter.create(`${folder}/${name}`, plan);
    for (const { name, bytes } of plan) {
      const words = Uint16Array.from(
        { length: bytes / 2 },
        (_, i) => 0x3c00 + (Math.imul(i + file + 7 * seed, 40503) & 0x83ff),
      );
      writer.write(name, words);
    }
    writer.finish();
    files[name] = Deno.readFileSync(`${folder}/${name}`);
  }
  files["model.safetensors.index.json"] = new TextEncoder().encode(JSON.stringify({ weight_map: map }));
  files["config.json"] = new TextEncoder().encode('{"model_type":"test"}');
  for (const name of ["model.safetensors.index.json", "config.json"]) {
    Deno.writeFileSync(`${folder}/${name}`, files[name]);
  }
  return files;
}

export interface StartOptions {
  env?: Record<string, string>;
  /** Permissions; by default all. */
  flags?: string[];
  kill?: FileKill;
}

export function commandLine(args: string[], { env = {}, flags = ["-A"], kill }: StartOptions = {}) {
  return {
    args: [
      "run",
      "--quiet",
      "--no-check",
      ...flags,
      ...(kill === undefined ? [] : ["--preload", KILLS]),
      MAIN,
      ...args,
    ],
    env: { ...env, ...(kill === undefined ? {} : { [VARIABLE]: JSON.stringify(kill) }) },
  };
}

export function start(args: string[], options: StartOptions = {}): Deno.ChildProcess {
  const command = { ...commandLine(args, options), stdout: "null", stderr: "null" } as const;
  return new Deno.Command(Deno.execPath(), command).spawn();
}

/** Runs the command to its end. */
export async function runToEnd(
  args: string[],
  options: StartOptions = {},
): Promise<{ code: number; signal: Deno.Signal | null; said: string }> {
  const command = { ...commandLine(args, options), stdout: "null", stderr: "piped" } as const;
  const { code, signal, stderr } = await new Deno.Command(Deno.execPath(), command).output();
  return { code, signal, said: new TextDecoder().decode(stderr) };
}

/** How far a process got that ran with `FileKill.report` there. */
export function progressOf(report: string): Progress {
  return JSON.parse(Deno.readTextFileSync(report));
}

/** Of names and bytes of the folder's files. */
export function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const { name, isFile } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (isFile) hash.update(name).update(Deno.readFileSync(`${folder}/${name}`));
  }
  return hash.digest("hex");
}

export function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isFile } of Deno.readDirSync(from)) {
    if (isFile) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "valley-campaign-" });
  try {
    return await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Kills the command after a random share of `whole` ms until it comes to its end by itself. @returns kills */
export async function killOften(
  command: () => Deno.ChildProcess,
  whole: number,
  kills: number,
): Promise<number> {
  for (let done = 0; done < kills; done++) {
    const child = command();
    const ended = child.status.then(() => true);
    if (await Promise.race([ended, sleep(Math.random() * whole).then(() => false)])) return done;
    try {
      child.kill("SIGKILL");
    } catch { /* it has just ended */ }
    if ((await child.status).signal !== "SIGKILL") return done;
  }
  const { code } = await command().status;
  if (code !== 0) throw new Error(`the last run ended with ${code}`);
  return kills;
}

/** Every k-th of so many operations, so that at most `most` come of it. */
export function everyKth(operations: number, most: number): { k: number; points: number[] } {
  const k = Math.max(1, Math.ceil(operations / most));
  return { k, points: Array.from({ length: Math.ceil(operations / k) }, (_, i) => i * k) };
}
