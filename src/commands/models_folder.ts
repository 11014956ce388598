/** Where pulled and converted models lie, and which are there. */
import { join } from "node:path";
import { readManifest } from "../weights/manifest.ts";
import { pulledEarlier, repoFolder } from "../weights/pull.ts";
import type { Env } from "./options.ts";

/** `VALLEY_MODELS`, else the system's cache folder (tools/setup/permissions.ts allows the same). */
export function modelsRoot(env: Env, os = Deno.build.os): string {
  if (env.VALLEY_MODELS) return env.VALLEY_MODELS;
  if (os === "windows") return join(env.LOCALAPPDATA ?? "C:\\", "valley-models");
  return join(env.XDG_CACHE_HOME || join(env.HOME || "/root", ".cache"), "valley");
}

export const convertedFolder = (root: string, id: string, commit: string): string =>
  `${root}/int4/${id.replace("/", "--")}/${commit}`;

export interface StoredModel {
  id: string;
  commit: string;
  kind: "published" | "int4";
  folder: string;
  bytes: number;
  /** False: a pull or conversion that was cut off. */
  whole: boolean;
}

/** Every model under `root`, pulled or converted, whole or begun. */
export function storedModels(root: string): StoredModel[] {
  const found: StoredModel[] = [];
  for (const kind of ["hub", "int4"] as const) {
    for (const slug of foldersIn(`${root}/${kind}`)) {
      const id = slug.replace("--", "/");
      for (const commit of foldersIn(`${root}/${kind}/${slug}`)) {
        const folder = `${root}/${kind}/${slug}/${commit}`;
        const whole = kind === "hub" ? pulledEarlier(root, id, commit) !== null : isConverted(folder);
        const published = kind === "hub" ? "published" : "int4";
        found.push({ id, commit, kind: published, folder, bytes: bytesIn(folder), whole });
      }
    }
  }
  return found.sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** The converted model of a revision that was pulled before. */
export function convertedEarlier(root: string, id: string, revision: string): string | null {
  let commit: unknown = revision;
  if (!/^[0-9a-f]{40}$/.test(revision)) {
    try {
      commit = JSON.parse(Deno.readTextFileSync(`${repoFolder(root, id)}/refs.json`))[revision];
    } catch {
      return null;
    }
  }
  if (typeof commit !== "string") return null;
  const folder = convertedFolder(root, id, commit);
  return isConverted(folder) ? folder : null;
}

/** Whether the folder has a manifest of this version's format. Its files are checked when it is loaded. */
function isConverted(folder: string): boolean {
  try {
    return readManifest(folder) !== null;
  } catch {
    return false;
  }
}

function foldersIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].filter((e) => e.isDirectory).map((e) => e.name).sort();
  } catch {
    return [];
  }
}

function bytesIn(folder: string): number {
  let sum = 0;
  for (const { name, isFile, isDirectory } of Deno.readDirSync(folder)) {
    if (isFile) sum += Deno.statSync(`${folder}/${name}`).size;
    else if (isDirectory) sum += bytesIn(`${folder}/${name}`);
  }
  return sum;
}
