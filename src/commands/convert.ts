/** `convert`: a published checkpoint → a folder with int4 weights. */

import { createHash } from "node:crypto";
import { basename, resolve } from "node:path";
import { loadPrompt } from "../families/registry_prompt.ts";
import { Media } from "../prompt/media.ts";
import { convert } from "../weights/convert.ts";
import type { ConvertOptions } from "../weights/convert_job.ts";
import { INT4_BITS, INT8_BITS } from "../weights/mixed.ts";
import { REASONING } from "../weights/manifest.ts";
import { bytesText, durationText } from "../weights/progress.ts";
import { activations, WINDOW } from "./calibration.ts";
import { parseCommand, type Terminal, withProgress } from "./command.ts";
import { UsageError } from "./options.ts";

export const CONVERT_USAGE =
  `valley convert SOURCE TARGET [--rounding nearest|search] [--calibrate TEXT] [--bits B] [--workers N] [--reasoning R]
              [--base FOLDER] [--force]

Turns SOURCE into a folder TARGET with int4 weights. SOURCE is the folder of a published checkpoint (safetensors or, where
there are none, pytorch_model.bin, of bf16, f16 or f32; 4-bit GPTQ and AWQ keep their codes) or a .gguf file of a llama, qwen2 or qwen3 text model: Q4_0, Q4_1 and
Q8_0 without loss, Q4_K with its codes; beside such, F16, BF16 and F32 stay as they are and other types become 8 bits.
Cut off at any moment, the same command goes on where it stopped; TARGET is served only once it is whole. A SOURCE
whose files have not changed since is not converted again; one that was written again is.

  --rounding search   smaller error, several times slower
  --calibrate TEXT    search, weighted by what the text file TEXT brings to each matrix of the text trunk: a third of
                      the divergence (bench/SPEED.md); SOURCE, a folder, must fit onto the GPU as it is
  --bits B            bits a weight of the matrices on average, 5 (default: all int4) to 9 (all int8): those that lose
                      most by four bits get eight; 5.5 is a good start (bench/SPEED.md)
  --workers N         cores that quantise (default: all); the result is the same
  --reasoning R       none (default); prompted: a Think model, which thinks unless asked not to; optional: when asked
  --base FOLDER       SOURCE is published as the difference to this checkpoint (valley-13b-v1-delta): add it
  --force             convert again though SOURCE has not changed

Examples:
  valley convert ~/Valley3-8B-Instruct ~/valley3-8b-int4
  valley convert SmolLM2-135M-Instruct.Q4_1.gguf ~/smollm2
  valley convert ~/Valley3-8B-Think ~/valley3-8b-think-int4 --reasoning prompted --rounding search`;

const FLAGS = {
  rounding: { type: "string" },
  calibrate: { type: "string" },
  force: { type: "boolean" },
  bits: { type: "string" },
  workers: { type: "string" },
  reasoning: { type: "string" },
  base: { type: "string" },
  help: { type: "boolean" },
} as const;

/** @returns exit code. Throws UsageError, and Error saying what stands in the way. */
export async function convertCommand(args: string[], terminal: Terminal): Promise<number> {
  const parsed = parseCommand(args, { flags: FLAGS, words: 2, usage: CONVERT_USAGE }, terminal);
  if (parsed === null) return 0;
  const { values, positionals: [source, target] } = parsed;
  const { rounding = "nearest", workers } = values;
  if (rounding !== "nearest" && rounding !== "search") {
    throw new UsageError(`--rounding must be nearest or search, not ${rounding}`);
  }
  if (workers !== undefined && !/^\d{1,3}$/.test(workers)) throw new UsageError("--workers must be a number");
  const bits = Number(values.bits ?? INT4_BITS);
  if (!(bits >= INT4_BITS && bits <= INT8_BITS)) {
    throw new UsageError(`--bits must be a number from ${INT4_BITS} to ${INT8_BITS}, not ${values.bits}`);
  }
  const reasoning = REASONING.find((name) => name === (values.reasoning ?? "none"));
  if (reasoning === undefined) throw new UsageError(`--reasoning must be one of ${REASONING.join(", ")}`);
  if (values.calibrate !== undefined && values.rounding === "nearest") {
    throw new UsageError("--calibrate needs --rounding search, which it implies");
  }
  if (values.calibrate !== undefined && values.base !== undefined) {
    throw new UsageError("--calibrate runs SOURCE, which with --base is no whole model");
  }
  const calibration = values.calibrate === undefined
    ? {}
    : await calibrated(source, values.calibrate, terminal);
  if (values.force) await Deno.remove(`${target}/manifest.json`).catch(() => {});
  const started = performance.now();
  const options: ConvertOptions = {
    source: basename(resolve(source)),
    rounding,
    reasoning,
    bits,
    ...(values.base === undefined ? {} : { base: values.base }),
    ...calibration,
    ...(workers === undefined ? {} : { workers: Number(workers) }),
  };
  await withProgress(
    { verb: "converting" },
    terminal,
    (onProgress) => convert(source, target, { ...options, onProgress }),
    ({ sizes }, bytes) => {
      const size = bytesText(Object.values(sizes).reduce((a, b) => a + b, 0));
      const seconds = (performance.now() - started) / 1000;
      return bytes === 0
        ? `${target} is converted already (${size})`
        : `${target}: ${bytesText(bytes)} became ${size} in ${durationText(seconds)}`;
    },
  );
  return 0;
}

/** Tokens that are read to calibrate. */
const CALIBRATION = 4096;

/** What a text brings to each matrix, as the weights of the search. */
async function calibrated(source: string, path: string, terminal: Terminal) {
  const text = Deno.readTextFileSync(path);
  const { prompt } = await loadPrompt(source, new Media({ ffmpeg: null }), {});
  const ids = prompt.encode(text.slice(0, 16 * CALIBRATION)).subarray(0, CALIBRATION);
  if (ids.length < WINDOW) throw new Error(`Cannot calibrate with ${path}: it has under ${WINDOW} tokens`);
  const windows = Array.from(
    { length: Math.floor(ids.length / WINDOW) },
    (_, i) => ids.slice(i * WINDOW, (i + 1) * WINDOW),
  );
  const tokens = windows.length * WINDOW;
  const importance = await withProgress(
    { verb: "calibrating", unit: "tokens" },
    terminal,
    (onProgress) => activations(source, windows, {}, (done) => onProgress(done * WINDOW, tokens)),
    () => `calibrated on ${tokens} tokens`,
  );
  return {
    rounding: "search" as const,
    importance: (tensor: string) => importance.get(tensor) ?? null,
    importanceDigest: createHash("sha256").update(`calibration 1 ${windows.length} `).update(text).digest(
      "hex",
    ),
  };
}
