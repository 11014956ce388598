/** manifest.json of a converted model: format, origin, and the sha256 of each file and each tensor. */
import { type Disk, realDisk, writeWhole } from "./disk.ts";

/** Whether a model thinks: never; when asked; unless asked not to. */
export const REASONING = ["none", "optional", "prompted"] as const;
export type Reasoning = (typeof REASONING)[number];

export interface Manifest {
  format: 1;
  source: string;
  /** Commit of the source, or empty. */
  revision: string;
  reasoning: Reasoning;
  /** What was done with which source: equal recipes give equal bytes. Older manifests lack it, as the next two. */
  recipe?: string;
  /** Bytes of each file. */
  sizes?: Record<string, number>;
  /** sha256 of length and header of each safetensors file. */
  headers?: Record<string, string>;
  files: Record<string, string>;
  tensors: Record<string, string>;
}

const MOST_FILES = 10_000, MOST_TENSORS = 200_000;

/** Written last and renamed into place: a folder with a manifest is whole. */
export function writeManifest(folder: string, manifest: Manifest, disk: Disk = realDisk): void {
  writeWhole(
    disk,
    `${folder}/manifest.json`,
    new TextEncoder().encode(JSON.stringify(manifest, null, 1) + "\n"),
  );
}

/** @throws Error saying what is wrong with the text of `path` */
export function parseManifest(path: string, text: string): Manifest {
  const fail = (reason: string): never => {
    throw new Error(`Cannot read ${path}: ${reason}; convert the model again`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    fail("it is not JSON");
  }
  if (!isRecord(value)) return fail("it is not an object");
  const { format, source, revision, reasoning, recipe } = value;
  if (format !== 1) fail(`its format is ${JSON.stringify(format)}, 1 is known`);
  if (typeof source !== "string" || typeof revision !== "string") fail("source or revision is missing");
  if (!REASONING.includes(reasoning as Reasoning)) fail(`reasoning is none of ${REASONING.join(", ")}`);
  if (recipe !== undefined && typeof recipe !== "string") fail("recipe is not text");
  const digests = (key: string, most: number): Record<string, string> => {
    const map = value[key];
    if (!isRecord(map) || Object.keys(map).length > most) return fail(`${key} is missing or too long`);
    for (const [name, digest] of Object.entries(map)) {
      if (typeof digest !== "string" || !/^[0-9a-f]{64}$/.test(digest)) fail(`${key}: ${name} has no sha256`);
    }
    return map as Record<string, string>;
  };
  const files = digests("files", MOST_FILES);
  const tensors = digests("tensors", MOST_TENSORS);
  for (const name of Object.keys(files)) {
    if (!isFileName(name)) fail(`${JSON.stringify(name)} is not the name of a file in its folder`);
  }
  const optional: Partial<Manifest> = {};
  if (recipe !== undefined) optional.recipe = recipe as string;
  if (value.headers !== undefined) optional.headers = digests("headers", MOST_FILES);
  if (value.sizes !== undefined) {
    const { sizes } = value;
    if (
      !isRecord(sizes) || !Object.values(sizes).every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
    ) {
      return fail("sizes are not numbers of bytes");
    }
    optional.sizes = sizes as Record<string, number>;
  }
  return {
    format: 1,
    source: source as string,
    revision: revision as string,
    reasoning: reasoning as Reasoning,
    ...optional,
    files,
    tensors,
  };
}

/** A plain name: no folder, nothing hidden, nothing that a file system reads otherwise. */
export const isFileName = (name: string): boolean => /^[A-Za-z0-9][\w.-]{0,199}$/.test(name);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
