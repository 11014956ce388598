/** Reads imports and code out of source files, for the architecture test. Pure functions on text. */

import { dirname, join, normalize } from "node:path";

/** Path from the project's root → text. */
export type Sources = Map<string, string>;

export interface Import {
  from: string;
  /** A path from the root for relative specifiers, else the specifier as written. */
  to: string;
  relative: boolean;
  typeOnly: boolean;
}

const COMMENT_OR_STRING =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
const IMPORT =
  /\b(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"|new URL\(\s*"([^"]+)",\s*import\.meta\.url/g;
const REEXPORT = /^\s*export\s+(?:type\s+)?(?:\*|\{[^}]*\})(?:\s+as\s+\w+)?\s+from\s+"[^"]+";?\s*$/gm;

/** All .ts and .wgsl files under the given files and folders. */
export function readSources(root: string, paths: string[]): Sources {
  const sources: Sources = new Map();
  const visit = (path: string) => {
    const full = join(root, path);
    if (Deno.statSync(full).isFile) {
      if (/\.(ts|wgsl)$/.test(path)) sources.set(path, Deno.readTextFileSync(full));
      return;
    }
    for (const entry of Deno.readDirSync(full)) visit(`${path}/${entry.name}`);
  };
  for (const path of paths) {
    try {
      visit(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return sources;
}

/** Text without comments; with `strings: false` string contents are emptied too. */
export function stripped(text: string, { strings }: { strings: boolean }): string {
  return text.replace(COMMENT_OR_STRING, (found) => {
    if (found.startsWith("/")) return " ";
    return strings ? found : found[0] + found[0];
  });
}

/** Static and dynamic imports, re-exports, and files named by `new URL(…, import.meta.url)` (workers, assets). */
export function importsOf(path: string, text: string): Import[] {
  return [...stripped(text, { strings: true }).matchAll(IMPORT)].map((match) => {
    const specifier = match[3] ?? match[4] ?? match[5];
    const relative = specifier.startsWith(".");
    const to = relative ? normalize(join(dirname(path), specifier)).replaceAll("\\", "/") : specifier;
    return { from: path, to, relative, typeOnly: match[2] !== undefined };
  });
}

/** A file that only passes on what other files export. */
export function isBarrel(text: string): boolean {
  const code = stripped(text, { strings: true });
  const rest = code.replace(REEXPORT, "");
  return rest !== code && rest.trim() === "";
}

/** One import cycle as a list of files, or null. */
export function findCycle(imports: Import[]): string[] | null {
  const next = new Map<string, string[]>();
  for (const { from, to, relative } of imports) {
    if (relative) next.set(from, [...next.get(from) ?? [], to]);
  }
  const done = new Set<string>();
  const walk = (path: string, trail: string[]): string[] | null => {
    const at = trail.indexOf(path);
    if (at >= 0) return [...trail.slice(at), path];
    if (done.has(path)) return null;
    for (const to of next.get(path) ?? []) {
      const cycle = walk(to, [...trail, path]);
      if (cycle) return cycle;
    }
    done.add(path);
    return null;
  };
  for (const path of next.keys()) {
    const cycle = walk(path, []);
    if (cycle) return cycle;
  }
  return null;
}
