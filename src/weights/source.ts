/** Where weights come from: files of tensors, each to be kept as it is or turned into codes, read by rows. */
import type { Dtype } from "../gpu/safetensors.ts";
import type { Bits } from "./quantise.ts";
import type { SlabInput } from "./slab.ts";

/** What a tensor becomes: codes, or a dtype in which it is kept. */
export type Target = "int4" | "int8" | Dtype;

/** Bits of the codes; null: kept. */
export const bitsOfTarget = (target: Target): Bits | null =>
  target === "int4" ? 4 : target === "int8" ? 8 : null;

export interface SourceTensor {
  /** The official name. */
  name: string;
  shape: number[];
  /** Bytes in the source, for progress. */
  bytes: number;
  /** Bytes of a kept tensor as it is stored, where those are not `bytes`. */
  storedBytes?: number;
  /** Codes: of rows of `shape` [n, k]; a dtype: kept, stored as that. */
  target: Target;
  /** Its codes are the source's own: no others can be had. */
  fixed?: boolean;
  /** Rows (indices of the first dimension; a scalar is one row) come in slabs of at most so many; null: all at once. */
  slabRows: number | null;
  /** Raw rows [from, from + count) for a `target` in codes. */
  slab(from: number, count: number): SlabInput;
  /** Stored bytes of rows [from, from + count) for a kept tensor. */
  raw(from: number, count: number): Uint8Array<ArrayBuffer>;
}

/** Tensors that go into one output file. */
export interface SourceFile {
  /** The output file's name. */
  name: string;
  tensors: SourceTensor[];
}

export interface WeightSource {
  files: SourceFile[];
  /** Of names, sizes and headers of the files, not of their values. */
  digest: string;
  /** Changes also when a file was written again, with the same content or another (sizes, times, inodes). */
  stamp: string;
  /** Where files to copy lie; null: nowhere. */
  folder: string | null;
  /** Files that are made rather than copied (config.json without its quantisation), by name. */
  made: Record<string, string>;
  close(): void;
}

/** Bytes of a slab. */
export const SLAB = 8 << 20;

/** Rows of a slab when one row has so many bytes: whole quads. */
export const rowsOfSlab = (rowBytes: number): number =>
  Math.max(4, 4 * Math.floor(SLAB / 4 / Math.max(1, rowBytes)));
