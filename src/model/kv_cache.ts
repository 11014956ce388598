/** The paged KV cache: per layer one buffer of keys and one of values, [blocks · blockSize, kv_heads · head_dim]. */
import type { Runtime } from "../gpu/pass.ts";
import type { Tensor } from "../gpu/tensor.ts";

export type KvPrecision = "f32" | "f16";

export interface KvCache {
  precision: KvPrecision;
  blocks: number;
  blockSize: number;
  layers: { k: Tensor; v: Tensor }[];
}

/** Bytes of one token in one layer, keys or values. */
export const tokenBytes = (kvHeads: number, dim: number, precision: KvPrecision): number =>
  kvHeads * dim * (precision === "f16" ? 2 : 4);

/** Most blocks whose buffers can still be bound whole. */
export function maxBlocks(runtime: Runtime, width: number, blockSize: number): number {
  return Math.floor(runtime.gpu.limits.storageBinding / (width * blockSize));
}

export function createKvCache(
  runtime: Runtime,
  options: { layers: number; kvHeads: number; dim: number; blocks: number; blockSize: number; precision: KvPrecision },
): KvCache {
  const { layers, kvHeads, dim, blocks, blockSize, precision } = options;
  const bytes = blocks * blockSize * tokenBytes(kvHeads, dim, precision);
  const one = (label: string): Tensor => ({
    buf: runtime.memory.buffer(label, bytes),
    offset: 0,
    rows: 1,
    cols: bytes / 4,
    stride: bytes / 4,
  });
  return {
    precision,
    blocks,
    blockSize,
    layers: Array.from({ length: layers }, (_, i) => ({ k: one(`k_cache ${i}`), v: one(`v_cache ${i}`) })),
  };
}
