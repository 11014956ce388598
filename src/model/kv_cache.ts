/** The paged KV cache: one store a layer of blocks · blockSize places. */
import type { Runtime } from "../gpu/runtime.ts";
import { createKeyValues, type KeyValues, type KvPrecision, placeBytes } from "./attention.ts";
import type { DeviceRange } from "./transfer.ts";

export interface KvCache {
  blocks: number;
  blockSize: number;
  /** Bytes of one block in one layer, keys or values. */
  blockBytes: number;
  layers: KeyValues[];
}

/** Where a block lies on the device: keys and values of the first layer, of the second … */
export function blockRanges(cache: KvCache, block: number): DeviceRange[] {
  if (block >= cache.blocks) throw new Error(`Cannot transfer block ${block}: there are ${cache.blocks}`);
  const place = { offset: block * cache.blockBytes, size: cache.blockBytes };
  return cache.layers.flatMap(({ k, v }) => [{ of: k, ...place }, { of: v, ...place }]);
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
    blockBytes: blockSize * placeBytes(kvHeads, dim, precision),
    layers: Array.from(
      { length: layers },
      (_, i) => createKeyValues(runtime, `cache ${i}`, blocks * blockSize, kvHeads, dim, precision),
    ),
  };
}
