/** The dependency rules of the project as data and one function. `tests/architecture_test.ts` holds the tree to them. */

import { findCycle, type Import, importsOf, isBarrel, type Sources, stripped } from "./source_tree.ts";

/** Which area may import from which others; its own is always allowed. */
const MAY_IMPORT: Record<string, string[]> = {
  // Puts everything together; families only through their registry.
  main: ["server", "engine", "family", "shared", "registry", "prompt", "model", "gpu", "weights", "batch"],
  server: ["engine", "family", "web", "batch", "common"],
  // Files of requests, answered over HTTP: a leaf.
  batch: ["common"],
  engine: ["family"],
  family: [],
  // What families share, and what they give the registry.
  shared: ["family", "model", "prompt", "gpu"],
  registry: ["family", "shared", "families", "model", "prompt", "gpu", "weights"],
  families: ["family", "shared", "model", "prompt", "gpu"],
  model: ["family", "gpu"],
  gpu: ["wgsl"],
  prompt: ["family", "common"],
  // What needs nothing of the program: a leaf.
  common: [],
  // Files on disk: the safetensors reader of gpu/ needs no device.
  weights: ["gpu", "common"],
  wgsl: [],
  // Tools run, measure and test everything.
  tools: [
    "main",
    "server",
    "engine",
    "family",
    "shared",
    "registry",
    "families",
    "model",
    "prompt",
    "gpu",
    "weights",
    "setup",
  ],
  // Set-up runs before anything is installed: it stands alone.
  setup: [],
  web: [],
};

/** Where a pair of areas may touch only in these files. */
const ONLY_THROUGH: Record<string, RegExp> = {
  "families → gpu": /^src\/gpu\/(tensor|pass|profiles|runtime)\.ts$/,
  "weights → gpu": /^src\/gpu\/safetensors\.ts$/,
};

export const MAX_LINES = { ts: 400, wgsl: 250 };
/** Files that may be longer for now: each is to be split. */
const LONGER: Record<string, number> = { "src/model/linear.ts": 420 };
/** Longer than this is worth a look; only reported. */
export const SOFT_LINES = { ts: 250, wgsl: 200 };

/** The area of a file, or null for a place the rules do not know. */
export function areaOf(path: string): string | null {
  if (path === "main.ts" || /^src\/(?:commands\/)?[^/]+\.ts$/.test(path)) return "main";
  if (path === "src/families/family.ts") return "family";
  if (/^src\/families\/(registry\w*|model_folder)\.ts$/.test(path)) return "registry";
  if (/^src\/families\/[^/]+\.ts$/.test(path)) return "shared";
  if (path.startsWith("tools/setup/") || /^tools\/(test|test_runs|compile)\.ts$/.test(path)) return "setup";
  const area = /^(?:src\/)?([^/]+)\//.exec(path)?.[1] ?? "";
  return area in MAY_IMPORT ? area : null;
}

/** Every breach of the rules in the given files, one line each. */
export function breaches(sources: Sources): string[] {
  const found: string[] = [];
  const imports: Import[] = [];
  for (const [path, text] of sources) {
    const lines = text.split("\n").length - 1;
    const kind = path.endsWith(".wgsl") ? "wgsl" : "ts";
    const most = LONGER[path] ?? MAX_LINES[kind];
    if (lines > most) found.push(`${path}: ${lines} lines, at most ${most}`);
    if (kind === "wgsl") continue;
    if (isBarrel(text)) found.push(`${path}: only re-exports; import from the file itself`);
    imports.push(...importsOf(path, text));
    found.push(...codeBreaches(path, text));
  }
  for (const item of imports) found.push(...importBreaches(item));
  const cycle = findCycle(imports);
  if (cycle) found.push(`import cycle: ${cycle.join(" → ")}`);
  return found;
}

function importBreaches({ from, to, relative }: Import): string[] {
  const area = areaOf(from);
  if (area === null) return [`${from}: tests/support/architecture_rules.ts does not know this folder`];
  if (!relative) {
    return /^@?hono(\/|$)/.test(to) && area !== "server"
      ? [`${from}: imports ${to}; only src/server may`]
      : [];
  }
  const target = areaOf(to);
  if (target === null) {
    return from.startsWith("tools/") ? [] : [`${from}: imports ${to}, which is no part of the program`];
  }
  if (target === area) {
    const sameFamily = area !== "families" || from.split("/")[2] === to.split("/")[2];
    return sameFamily ? [] : [`${from}: imports ${to}; one family never imports another's folder`];
  }
  if (!MAY_IMPORT[area].includes(target)) return [`${from}: ${area} may not import ${target} (${to})`];
  const through = ONLY_THROUGH[`${area} → ${target}`];
  return through && !through.test(to)
    ? [`${from}: ${area} reaches ${target} only through ${through.source}, not ${to}`]
    : [];
}

function codeBreaches(path: string, text: string): string[] {
  const found: string[] = [];
  const area = areaOf(path);
  const code = stripped(text, { strings: false });
  if (path.startsWith("src/") && area !== "gpu") {
    // The constant of mapAsync is no part of the device.
    const name = /\bnavigator\.gpu\b|\bGPU(?!MapMode\b)[A-Z]\w+/.exec(code);
    if (name) found.push(`${path}: names ${name[0]}; only src/gpu may`);
  }
  if (path.startsWith("src/") && /\bDeno\.env\b|\bprocess\.env\b/.test(code)) {
    found.push(`${path}: reads the environment; only main.ts may`);
  }
  if (path.startsWith("src/") && /^(?:export )?(?:let|var) /m.test(code)) {
    found.push(`${path}: has a global that changes; keep it in a class or a function`);
  }
  return found;
}
