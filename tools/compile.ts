/**
 * `deno task compile [--output FILE]`: one binary with the program, its kernels and npm packages; weights are never
 * in it (start it with `--model FOLDER`). Deno downloads its base binary, denort, once; where that cannot be reached,
 * DENORT_BIN names one.
 */

import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { VARIABLES } from "./setup/permissions.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "..");
/** Started by `new URL(…)`, so not seen as imports. */
export const WORKERS = ["src/worker.ts", "src/prompt/media_worker.ts"];

/** Arguments of `deno compile`. A binary's permissions are fixed when it is built: paths cannot be known then. */
export function compileArgs(output: string): string[] {
  return [
    "compile",
    "--no-check",
    "--node-modules-dir=none",
    "--exclude-unused-npm",
    "--no-prompt",
    "--allow-net",
    "--allow-read",
    "--allow-write",
    `--allow-env=${VARIABLES.join(",")}`,
    "--ignore-env",
    "--allow-run=ffmpeg,ffprobe",
    ...WORKERS.flatMap((file) => ["--include", file]),
    "--output",
    output,
    "main.ts",
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { output: { type: "string", default: "valley" } },
  });
  const { code } = await new Deno.Command(Deno.execPath(), { args: compileArgs(values.output), cwd: PROJECT })
    .spawn()
    .status;
  if (code !== 0) {
    console.error("Cannot compile: see above. Without a network set DENORT_BIN to a denort of this Deno.");
  }
  Deno.exit(code);
}
