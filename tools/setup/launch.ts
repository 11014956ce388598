/**
 * `deno task start` and `deno task valley`: set-up where it is due, then main.ts as a child under the least
 * permissions. Signals go on to the child, its exit code comes back.
 */

import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { permissionFlags } from "./permissions.ts";
import { runtimeDir, setUp } from "./setup.ts";

const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Runs main.ts to its end. @returns its exit code. */
async function launch(args: string[]): Promise<number> {
  const env = { ...Deno.env.toObject(), ...runtimeDir() };
  const flags = permissionFlags([...args, ...configWords(args, env)], {
    os: Deno.build.os,
    project: PROJECT,
    env,
    exists,
  });
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...flags, "main.ts", ...args],
    cwd: PROJECT,
    env,
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  forwardSignals(child);
  const watch = setInterval(() => {
    if (!isOrphaned()) return;
    clearInterval(watch);
    end(child, "SIGTERM");
  }, 1000);
  const { code } = await child.status;
  clearInterval(watch);
  return code;
}

/** What the file of `--config` says, as flags: paths in it may be read like those of the command line. */
function configWords(args: string[], env: Record<string, string>): string[] {
  const at = args.findIndex((word) => word === "--config" || word.startsWith("--config="));
  const path = at < 0 ? env.VALLEY_CONFIG : args[at].includes("=") ? args[at].slice(9) : args[at + 1];
  if (!path) return [];
  try {
    const values = JSON.parse(Deno.readTextFileSync(resolve(PROJECT, path))) as Record<string, unknown>;
    return Object.entries(values).map(([flag, value]) => `--${flag}=${value}`);
  } catch {
    return []; // serve says what is wrong with it
  }
}

/** `deno task` sends a Ctrl-C twice: repeats within a second are one. */
function forwardSignals(child: Deno.ChildProcess): void {
  const last: Partial<Record<Deno.Signal, number>> = {};
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      if (Date.now() - (last[signal] ?? 0) < 1000) return;
      last[signal] = Date.now();
      end(child, signal);
    });
  }
}

function end(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended already; its status is on the way.
  }
}

const PARENT = Deno.ppid;
const GRANDPARENT = parentOf(PARENT);

/**
 * `deno task` was killed, or the `npx` above it, which passes no signal on: the server must not stay behind.
 * Elsewhere the grandparent is a person's shell, which may end without harm.
 */
function isOrphaned(): boolean {
  if (Deno.ppid !== PARENT) return true;
  return Deno.env.get("npm_command") === "exec" && parentOf(PARENT) !== GRANDPARENT;
}

/** Parent of a process on Linux, else null. */
function parentOf(pid: number): number | null {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
  } catch {
    return null;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** `--engine fake` by flag or environment. */
function wantsFakeEngine(args: string[]): boolean {
  const at = args.indexOf("--engine");
  return args.includes("--engine=fake") || (at >= 0 && args[at + 1] === "fake") ||
    (at < 0 && Deno.env.get("VALLEY_ENGINE") === "fake");
}

if (import.meta.main) {
  const [mode, ...args] = Deno.args;
  if (mode === "start") {
    const code = await setUp({ level: "run", fakeEngine: wantsFakeEngine(args) });
    if (code !== 0) Deno.exit(code);
  }
  Deno.exit(await launch(mode === "start" ? ["serve", ...args] : args));
}
