/** What a family gives the registry on the GPU side, and the memory plan that all share. */
import type { Profile, ProfileName } from "../gpu/profiles.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { type KvPrecision, maxPlaces, placeBytes } from "../model/attention.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { Precision } from "../model/linear_spec.ts";
import type { TrunkConfig } from "../model/text_trunk.ts";
import type { Model } from "./family.ts";
import type { MadeUp } from "./warm_up.ts";

export interface LoadOptions {
  /** Of float tensors; int4 ones stay int4. */
  precision: Precision;
  kvPrecision: KvPrecision;
  /** Bytes of device memory for keys and values. */
  kvBytes: number;
  /** Bytes of device memory for media embeddings. */
  mediaBytes: number;
  maxSequences: number;
  maxBatchTokens: number;
  blockSize: number;
  /** Every row of a step gets the bits that it would get alone, at some cost in speed. */
  batchInvariant: boolean;
  /** Digests of a converted model: "fast": as they are read; "full": all files first. */
  verify: "fast" | "full";
  /** Choice of kernels, or the name of a tested one; null: what `profileFile` has for the device, or measurement says. */
  profile: Profile | ProfileName | null;
  /** Where measured choices are kept; null: nowhere. */
  profileFile: string | null;
  /** Told when a stage begins. */
  onStage: (stage: LoadStage) => void;
}

/** What loading does, in order: which kernels suit the device, weights onto it, every kernel used once. */
export type LoadStage = "choosing kernels" | "weights" | "warming up";

/** A model whose weights are on the device, and made-up media that use each of its encoders. */
export interface Loaded {
  model: Model;
  media: readonly MadeUp[];
}

export interface FamilyLoader {
  family: string;
  /** Is this config.json one of the family's? */
  serves(config: Record<string, unknown>): boolean;
  load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: Record<string, unknown>,
    options: LoadOptions & { eosIds: number[] },
  ): Promise<Loaded>;
}

/** @throws Error naming a tensor of the checkpoint that nothing computes with. */
export function refuseUnknown(left: readonly string[], { folder }: Checkpoint): void {
  if (left.length) {
    throw new Error(`Cannot load ${folder}: unknown tensor ${left[0]} (${left.length} in all)`);
  }
}

/** KV blocks: what the budget, the adapter's bindings and the longest context of all sequences allow. */
export function planBlocks(
  runtime: Runtime,
  trunk: TrunkConfig,
  maxContext: number,
  options: LoadOptions,
): number {
  const bytes = placeBytes(trunk.kvHeads, trunk.headDim, options.kvPrecision);
  return Math.min(
    Math.floor(maxPlaces(runtime, bytes) / options.blockSize),
    Math.floor(options.kvBytes / (2 * trunk.layers * bytes * options.blockSize)),
    Math.ceil(maxContext / options.blockSize) * options.maxSequences,
  );
}

/** Rows of the media store (and of one store for each deepstack tap). */
export function planMediaRows(
  runtime: Runtime,
  trunk: TrunkConfig,
  taps: number,
  maxContext: number,
  options: LoadOptions,
): number {
  const bytes = trunk.hidden * 4;
  return Math.min(
    Math.floor(runtime.gpu.limits.storageBinding / bytes),
    Math.floor(options.mediaBytes / (bytes * (1 + taps))),
    2 * maxContext,
  );
}
