/**
 * `deno task compile [--output FILE]`: one binary with the program, its kernels and npm packages; weights are never
 * in it (start it with `--model FOLDER`). Deno downloads its base binary, denort, once; where that cannot be reached,
 * DENORT_BIN names one.
 */

import { parseArgs } from "node:util";
import { dirname, join, relative, resolve } from "node:path";
import { SYSTEM, VARIABLES } from "./setup/permissions.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "..");
/** Worker entries: started by `new URL("./x.ts", import.meta.url)`, so Deno does not see them as imports. */
export function workers(folder = "src"): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(join(PROJECT, folder))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...workers(path));
    else if (path.endsWith(".ts")) {
      const text = Deno.readTextFileSync(join(PROJECT, path));
      for (const [, file] of text.matchAll(/new URL\(\s*"(\.[^"]+\.ts)",\s*import\.meta\.url/g)) {
        found.push(relative(PROJECT, resolve(PROJECT, dirname(path), file)));
      }
    }
  }
  return [...new Set(found)].sort();
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(join(PROJECT, path));
    return true;
  } catch {
    return false;
  }
}

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
    SYSTEM,
    "--allow-run=ffmpeg,ffprobe",
    ...[...workers(), "web"].filter(isThere).flatMap((path) => ["--include", path]),
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
