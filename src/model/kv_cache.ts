/** The paged KV cache: one store a layer of blocks · blockSize places. */
import type { Runtime } from "../gpu/pass.ts";
import { createKeyValues, type KeyValues, type KvPrecision } from "./attention.ts";

export interface KvCache {
  blocks: number;
  blockSize: number;
  layers: KeyValues[];
}

export function createKvCache(
  runtime: Runtime,
  options: {
    layers: number;
    kvHeads: number;
    dim: number;
    blocks: number;
    blockSize: number;
    precision: KvPrecision;
  },
): KvCache {
  const { layers, kvHeads, dim, blocks, blockSize, precision } = options;
  return {
    blocks,
    blockSize,
    layers: Array.from(
      { length: layers },
      (_, i) => createKeyValues(runtime, `cache ${i}`, blocks * blockSize, kvHeads, dim, precision),
    ),
  };
}
