/** What a repository of the hub holds at a revision: the commit, and the files that serving needs, with their digests. */
import { createHash } from "node:crypto";
import { COPIED } from "./copied_files.ts";
import type { HubClient } from "./hub_client.ts";
import { TOKENIZER_SOURCES } from "./made_tokenizer.ts";
import { isFileName } from "./manifest.ts";
import { isWeightFile } from "./shard_index.ts";

export interface HubFile {
  name: string;
  size: number;
  /** sha256 of the bytes for large files; git's sha1 of the blob for small ones. */
  digest: { kind: "sha256" | "git"; hex: string };
}

export interface HubRepo {
  id: string;
  /** 40 hexadecimal digits. */
  commit: string;
  /** Small files first. */
  files: HubFile[];
}

const ID = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;

export const isHubId = (text: string): boolean => ID.test(text) && !text.includes("..");

const isRevision = (text: string): boolean => /^[\w][\w./-]{0,199}$/.test(text) && !text.includes("..");

const MOST_SIZE = 2 ** 41;

/** @throws Error naming what the hub's answer lacks */
export async function readRepo(
  client: HubClient,
  id: string,
  revision: string,
  signal: AbortSignal,
): Promise<HubRepo> {
  if (!isHubId(id)) throw new Error(`Cannot pull ${JSON.stringify(id)}: a model is named organisation/name`);
  if (!isRevision(revision)) throw new Error(`Cannot pull revision ${JSON.stringify(revision)}`);
  const path = `/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const answer = await client.json(path, signal) as { sha?: unknown; siblings?: unknown } | null;
  const fail = (reason: string): never => {
    throw new Error(`Cannot pull ${id}: the hub's list of files ${reason}`);
  };
  const commit = answer?.sha;
  if (typeof commit !== "string" || !/^[0-9a-f]{40}$/.test(commit)) return fail("has no commit");
  if (/^[0-9a-f]{40}$/.test(revision) && commit !== revision) fail(`is of ${commit}, not of ${revision}`);
  if (!Array.isArray(answer?.siblings) || answer.siblings.length > 100_000) return fail("is missing");
  const files: HubFile[] = [];
  const siblings = answer.siblings as Record<string, unknown>[];
  const torch = !siblings.some((item) => String(item?.rfilename).endsWith(".safetensors"));
  for (const item of siblings) {
    const name = item?.rfilename;
    if (typeof name !== "string" || !isWanted(name, torch)) continue;
    const lfs = item.lfs as { sha256?: unknown; oid?: unknown; size?: unknown } | null | undefined;
    const size = lfs?.size ?? item.size;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0 || size > MOST_SIZE) {
      return fail(`has no size of ${name}`);
    }
    const sha256 = String(lfs?.sha256 ?? lfs?.oid ?? "").replace(/^sha256:/, "");
    const git = String(item.blobId ?? "");
    if (/^[0-9a-f]{64}$/.test(sha256)) files.push({ name, size, digest: { kind: "sha256", hex: sha256 } });
    else if (/^[0-9a-f]{40}$/.test(git)) files.push({ name, size, digest: { kind: "git", hex: git } });
    else fail(`has no digest of ${name}`);
  }
  if (new Set(files.map(({ name }) => name)).size !== files.length) fail("names a file twice");
  if (!files.some(({ name }) => name === "config.json")) fail("has no config.json");
  if (!files.some(({ name }) => isWeightFile(name, torch))) {
    fail("has no .safetensors file and no pytorch_model.bin");
  }
  return { id, commit, files: files.sort((a, b) => a.size - b.size || (a.name < b.name ? -1 : 1)) };
}

/** Tells the content of all files from any other. */
export const contentOf = (files: readonly HubFile[]): string =>
  createHash("sha256").update(JSON.stringify(files.map(({ name, digest }) => [name, digest.hex]))).digest(
    "hex",
  );

/** Weights and what a converted model keeps; nothing in folders, nothing that is run. */
const isWanted = (name: string, torch: boolean): boolean =>
  isFileName(name) &&
  (COPIED.includes(name) || TOKENIZER_SOURCES.includes(name) || isWeightFile(name, torch));
