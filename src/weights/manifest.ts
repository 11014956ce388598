/**
 * manifest.json of a converted model: format, origin, the sha256 of each file and each tensor, and the CRC-32 of each
 * tensor. Loading checks the CRCs: they cost a tenth of reading, sha256 as much as reading or more (bench/SPEED.md).
 */
import { type Disk, readWhole, realDisk, writeWhole } from "./disk.ts";

/** Whether a model thinks: never; when asked; unless asked not to. */
export const REASONING = ["none", "optional", "prompted"] as const;
export type Reasoning = (typeof REASONING)[number];

/** 2: int4 in quads, as the kernels read it. 1 had it row by row. */
export const FORMAT = 2;

export interface Manifest {
  format: typeof FORMAT;
  source: string;
  /** Commit of the source, or empty. */
  revision: string;
  reasoning: Reasoning;
  /** What was done with the source's headers: of the same source, equal recipes give equal bytes. */
  recipe: string;
  /** Which source it was (convert_job.ts); empty in folders of older versions. */
  stamp: string;
  /** Bytes of each file. */
  sizes: Record<string, number>;
  /** sha256 of length and header of each safetensors file. */
  headers: Record<string, string>;
  /** sha256 of each file. */
  files: Record<string, string>;
  /** sha256 of each tensor. */
  tensors: Record<string, string>;
  /** CRC-32 (IEEE) of each tensor, eight hexadecimal digits. */
  crc32: Record<string, string>;
}

const MOST_FILES = 10_000, MOST_TENSORS = 200_000, MOST_BYTES = 64 << 20;

/** Written last and renamed into place: a folder with a manifest is whole. */
export function writeManifest(folder: string, manifest: Manifest, disk: Disk = realDisk): void {
  writeWhole(
    disk,
    `${folder}/manifest.json`,
    new TextEncoder().encode(JSON.stringify(manifest, null, 1) + "\n"),
  );
}

/** @returns null: the folder has no manifest. @throws Error saying what is wrong with it */
export function readManifest(folder: string, disk: Disk = realDisk): Manifest | null {
  const path = `${folder}/manifest.json`;
  const bytes = readWhole(disk, path, MOST_BYTES);
  return bytes === null ? null : parseManifest(path, new TextDecoder().decode(bytes));
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
  const { format, source, revision, reasoning, recipe, stamp = "" } = value;
  if (format !== FORMAT) fail(`its format is ${JSON.stringify(format)}, this version reads ${FORMAT}`);
  if (typeof source !== "string" || typeof revision !== "string") fail("source or revision is missing");
  if (!REASONING.includes(reasoning as Reasoning)) fail(`reasoning is none of ${REASONING.join(", ")}`);
  if (typeof recipe !== "string" || typeof stamp !== "string") fail("recipe is missing, or its stamp");
  const digests = (key: string, most: number, digits = 64): Record<string, string> => {
    const map = value[key];
    if (!isRecord(map) || Object.keys(map).length > most) return fail(`${key} is missing or too long`);
    for (const [name, digest] of Object.entries(map)) {
      if (typeof digest !== "string" || digest.length !== digits || !/^[0-9a-f]+$/.test(digest)) {
        fail(`${key}: ${name} has no digest of ${digits} digits`);
      }
    }
    return map as Record<string, string>;
  };
  const files = digests("files", MOST_FILES);
  const tensors = digests("tensors", MOST_TENSORS);
  for (const name of Object.keys(files)) {
    if (!isFileName(name)) fail(`${JSON.stringify(name)} is not the name of a file in its folder`);
  }
  const { sizes } = value;
  if (
    !isRecord(sizes) || !Object.values(sizes).every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
  ) {
    return fail("sizes are not numbers of bytes");
  }
  return {
    format: FORMAT,
    source: source as string,
    revision: revision as string,
    reasoning: reasoning as Reasoning,
    recipe: recipe as string,
    stamp: stamp as string,
    sizes: sizes as Record<string, number>,
    headers: digests("headers", MOST_FILES),
    files,
    tensors,
    crc32: digests("crc32", MOST_TENSORS, 8),
  };
}

/** A plain name: no folder, nothing hidden, nothing that a file system reads otherwise. */
export const isFileName = (name: string): boolean => /^[A-Za-z0-9][\w.-]{0,199}$/.test(name);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
