/**
 * The permissions under which main.ts runs: what the command line names, and nothing else. Never ffi, never any
 * program but ffmpeg and ffprobe (`supervise`, which only restarts the server, may run deno instead).
 */

import { isAbsolute, join, resolve } from "node:path";

/** What the permissions depend on, besides the command line. */
export interface Surroundings {
  os: typeof Deno.build.os;
  /** Folder of deno.json. */
  project: string;
  env: Record<string, string>;
  exists(path: string): boolean;
}

/** Commands that write into the folders and files they are given. */
const WRITERS = new Set(["pull", "convert", "batch"]);

/** Free room on the disk before a pull; memory, for doctor. */
export const SYSTEM = "--allow-sys=statfs,systemMemoryInfo";

/** Variables that main.ts and its packages may see; every other one reads as unset. */
export const VARIABLES = [
  "VALLEY_*",
  "PORT",
  "PATH",
  "DENO_WEBGPU_BACKEND",
  "HF_ENDPOINT",
  "HF_TOKEN",
  "HF_HUB_OFFLINE",
  "HF_HOME",
  "HOME",
  "USERPROFILE",
  "LOCALAPPDATA",
  "TMPDIR",
  "TEMP",
  "TMP",
  "XDG_*",
  "VK_*",
  "OTEL_*",
  "NO_COLOR",
];

/** The terminal chat attaches whatever file its user names; it writes and runs nothing. */
const CHAT = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-env=VALLEY_*,NO_COLOR,TERM",
  "--ignore-env",
];

/** Flags for `deno run`. */
export function permissionFlags(args: string[], around: Surroundings): string[] {
  const command = args[0] ?? "serve";
  if (command === "chat") return CHAT;
  const named = [
    ...namedPaths(args, around),
    ...(WRITERS.has(command) ? newPaths(command, args, around) : []),
  ];
  const programs = ["ffmpeg", "ffprobe"].map((name) => onPath(name, around)).filter((path) => path !== null);
  const own = [...temporary(around), stateDir(around), modelsDir(around), ...statePath(args, around)];
  const read = [around.project, denoDir(around), ...own, ...programs, ...named];
  const write = [...own, ...(WRITERS.has(command) ? named : [])];
  const run = command === "supervise" ? ["deno"] : programs;
  return [
    "--no-prompt",
    "--allow-net",
    `--allow-read=${unique(read).join(",")}`,
    `--allow-write=${unique(write).join(",")}`,
    `--allow-env=${VARIABLES.join(",")}`,
    "--ignore-env",
    SYSTEM,
    ...(run.length > 0 ? [`--allow-run=${run.join(",")}`] : []),
  ];
}

/** Every path that the command line or a VALLEY_ variable names. A hub name (`org/name`) reads as one: harmless. */
export function namedPaths(args: string[], around: Surroundings): string[] {
  const values = Object.entries(around.env).filter(([name]) => name.startsWith("VALLEY_")).map(([, value]) =>
    value
  );
  const words = [...args, ...values].map((word) =>
    word.startsWith("-") ? word.split("=").slice(1).join("=") : word
  );
  return words
    .filter((word) => !/^\w+:\/\//.test(word) && !word.includes(","))
    .filter((word) => /[/\\]/.test(word) || (word !== "" && around.exists(resolve(around.project, word))))
    .map((word) => resolve(around.project, word));
}

/** Plain names of files and folders that are still to be made; what `batch` keeps beside its output. */
function newPaths(command: string, args: string[], around: Surroundings): string[] {
  const paths = args.slice(1).filter((word) => !word.startsWith("-") && !/^\w+:\/\//.test(word))
    .map((word) => resolve(around.project, word));
  const beside = [".errors", ".index", ".index-wal", ".index-shm", ".index-journal"];
  return command === "batch" ? paths.flatMap((path) => [path, ...beside.map((end) => path + end)]) : paths;
}

/** Where the server keeps what outlives it. */
export function stateDir({ os, env }: Surroundings): string {
  if (os === "windows") return join(env.LOCALAPPDATA ?? "C:\\", "valley");
  return join(env.XDG_STATE_HOME || join(env.HOME || "/root", ".local/state"), "valley");
}

/** Where pulled and converted models lie. */
export function modelsDir({ os, env, project }: Surroundings): string {
  if (env.VALLEY_MODELS) return resolve(project, env.VALLEY_MODELS);
  if (os === "windows") return join(env.LOCALAPPDATA ?? "C:\\", "valley-models");
  return join(env.XDG_CACHE_HOME || join(env.HOME || "/root", ".cache"), "valley");
}

/** Deno's cache: npm packages read their wasm files out of it. */
export function denoDir({ os, env }: Surroundings): string {
  if (env.DENO_DIR) return resolve(env.DENO_DIR);
  const home = env.HOME || "/root";
  if (os === "windows") return join(env.LOCALAPPDATA ?? "C:\\", "deno");
  return os === "darwin"
    ? join(home, "Library/Caches/deno")
    : join(env.XDG_CACHE_HOME || join(home, ".cache"), "deno");
}

function temporary({ os, env }: Surroundings): string[] {
  return os === "windows" ? [env.TEMP ?? env.TMP ?? "C:\\Temp"] : [env.TMPDIR || "/tmp"];
}

/** The value of `--state`, the one path that serving writes to. */
function statePath(args: string[], around: Surroundings): string[] {
  const at = args.findIndex((word) => word === "--state" || word.startsWith("--state="));
  const value = at < 0 ? around.env.VALLEY_STATE : args[at].includes("=") ? args[at].slice(8) : args[at + 1];
  return value ? [resolve(around.project, value)] : [];
}

/** Full path of a program, or null. */
function onPath(name: string, { os, env, exists }: Surroundings): string | null {
  const file = os === "windows" ? `${name}.exe` : name;
  const folders = (env.PATH ?? "").split(os === "windows" ? ";" : ":").filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, file)).find(exists) ?? null;
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}
