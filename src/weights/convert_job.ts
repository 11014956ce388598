/** What convert is asked for, and what makes two requests the same. */
import { createHash } from "node:crypto";
import type { Disk } from "./disk.ts";
import type { Manifest, Reasoning } from "./manifest.ts";
import { INT4_BITS } from "./mixed.ts";
import type { Rounding } from "./slab.ts";
import type { WeightSource } from "./source.ts";
import { smallFiles } from "./target_folder.ts";

export interface ConvertOptions {
  /** Where the source came from, for the manifest. */
  source?: string;
  revision?: string;
  /** Digest of all the source's files, where it is known. Without it their sizes, times and inodes tell whether they changed. */
  content?: string;
  /** Checkpoint to add to the source, which is published as the difference to it. */
  base?: string;
  /** "prompted": takes the thinking prompt (CONTRACT.md). */
  reasoning?: Reasoning;
  rounding?: Rounding;
  /** Weight of each column's squared error [k] by tensor name, for "search". */
  importance?: (tensor: string) => Float32Array | null;
  /** Tensors that stay as published, beside those that always do. */
  keep?: RegExp;
  /** Bits a weight of the matrices, 5 (all int4) to 9 (all int8): the most sensitive become int8 (mixed.ts). */
  bits?: number;
  /** Digest of the importance, where there is one: part of the recipe. */
  importanceDigest?: string;
  /** Cores that quantise besides this one; 0: only this one. The bytes do not depend on it. */
  workers?: number;
  disk?: Disk;
  /** Bytes of the source; the first call tells what an earlier run left done. */
  onProgress?: (done: number, total: number, tensor: string) => void;
}

/** Changes when the same source would give other bytes. */
const RECIPE = 4;

export type Job = Pick<Manifest, "recipe" | "stamp">;

/**
 * Equal recipes and stamps give equal bytes. The weights are not read for it: of a source that was merely written again
 * the stamp differs unless its `content` is known, and it is converted again (which costs about as much as its sha256).
 */
export function jobOf(weights: WeightSource, options: ConvertOptions, disk: Disk): Job {
  const { rounding = "nearest", importanceDigest = "", reasoning = "none", keep, bits, content } = options;
  const recipe = digestOf([
    RECIPE,
    weights.digest,
    rounding,
    importanceDigest,
    reasoning,
    keep?.source ?? "",
    ...bits === undefined || bits === INT4_BITS ? [] : [bits],
  ]);
  if (content !== undefined) return { recipe, stamp: digestOf([content]) };
  const small = [...smallFiles(weights, disk)].map(([name, bytes]) => [name, digestOf(bytes)]);
  return { recipe, stamp: digestOf([weights.stamp, small]) };
}

const digestOf = (value: Uint8Array | unknown[]): string =>
  createHash("sha256").update(value instanceof Uint8Array ? value : JSON.stringify(value)).digest("hex");
