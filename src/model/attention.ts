/**
 * Attention of every part of a model: text over the paged cache, pictures and sounds over their own segments.
 * Keys and values always go through a store, paged or scratch, in storage buffers or textures as the device likes.
 */
import { attentionPaged, attentionTexture, qkvRope, qkvRopeTexture } from "../gpu/kernels.ts";
import type { Pass, Runtime } from "../gpu/pass.ts";
import { type Tensor, TEXEL_ROW, type Texels } from "../gpu/tensor.ts";

export type KvPrecision = "f32" | "f16";

/** Keys and values of some places (cache rows), each [kv_heads · dim]. */
export type KeyValues =
  | { kind: "buffer"; precision: KvPrecision; k: Tensor; v: Tensor }
  | { kind: "texture"; precision: KvPrecision; k: Texels; v: Texels };

/** Bytes of one place, keys or values. */
export const placeBytes = (kvHeads: number, dim: number, precision: KvPrecision): number =>
  kvHeads * dim * (precision === "f16" ? 2 : 4);

/** Places that one store may hold on this device. */
export function maxPlaces(runtime: Runtime, bytes: number): number {
  const { storageBinding, textureRows } = runtime.gpu.limits;
  const most = runtime.profile.memory === "texture" ? TEXEL_ROW * textureRows * 16 : storageBinding;
  return Math.floor(most / bytes);
}

export function createKeyValues(
  runtime: Runtime,
  label: string,
  places: number,
  kvHeads: number,
  dim: number,
  precision: KvPrecision,
): KeyValues {
  const bytes = places * placeBytes(kvHeads, dim, precision);
  if (runtime.profile.memory === "texture") {
    const one = (name: string) => runtime.memory.emptyTexels(`${label} ${name}`, bytes / 16);
    return { kind: "texture", precision, k: one("k"), v: one("v") };
  }
  const one = (name: string): Tensor => {
    const buf = runtime.memory.buffer(`${label} ${name}`, bytes);
    return { buf, offset: 0, rows: 1, cols: bytes / 4, stride: bytes / 4 };
  };
  return { kind: "buffer", precision, k: one("k"), v: one("v") };
}

export function freeKeyValues(runtime: Runtime, kv: KeyValues): void {
  for (const store of [kv.k, kv.v]) {
    if ("view" in store) runtime.memory.freeTexels(store);
    else runtime.memory.free(store.buf);
  }
}

export interface AttentionInput {
  /** Fused projections [rows, (heads + 2 · kv_heads) · dim]; q is turned in place. */
  qkv: Tensor;
  heads: number;
  kvHeads: number;
  dim: number;
  /** Per-head RMSNorm weights of q and k, or null. */
  norms: { q: Tensor; k: Tensor; eps: number } | null;
  /** (cos, sin) [rows, dim / 2, 2], or null: no rotary. */
  angles: Tensor | null;
  /** Where each row's key and value go. */
  place: Tensor;
  /** [rows, 2]: first entry in tables, number of keys. */
  extent: Tensor;
  /** Blocks of `block` places. */
  tables: Tensor;
  block: number;
}

/** Writes the rows' keys and values, then out [rows, heads · dim] = attention over each row's extent. */
export function attend(pass: Pass, a: AttentionInput, kv: KeyValues, out: Tensor): void {
  const { qkv, heads, kvHeads, dim, norms, place, extent, tables, block } = a;
  const rows = qkv.rows;
  const HALF = kv.precision === "f16" ? 1 : 0;
  const unused = out; // stands for bindings that an override switches off
  const turn = {
    angles: a.angles ?? place,
    q_norm: norms?.q ?? unused,
    k_norm: norms?.k ?? unused,
    place,
    qkv,
  };
  const dims = { rows, heads, kv_heads: kvHeads, dim };
  const constants = { NORM: norms ? 1 : 0, ROPE: a.angles ? 1 : 0, HALF };
  const scale = 1 / Math.sqrt(dim);
  const eps = norms?.eps ?? 0;
  if (kv.kind === "texture") {
    pass.run(
      qkvRopeTexture,
      { ...turn, k_cache: kv.k, v_cache: kv.v },
      { ...dims, stride: qkv.stride / 4, eps },
      constants,
    );
    pass.run(
      attentionTexture,
      { q: qkv, k_cache: kv.k, v_cache: kv.v, extent, tables, out },
      { ...dims, q_stride: qkv.stride / 4, out_stride: out.stride / 4, block, scale },
      { HALF, QUADS: dim / 4 },
    );
    return;
  }
  pass.run(
    qkvRope,
    { ...turn, k_cache: kv.k, v_cache: kv.v },
    { ...dims, stride: qkv.stride, eps },
    constants,
  );
  pass.run(
    attentionPaged,
    { q: qkv, k_cache: kv.k, v_cache: kv.v, extent, tables, out },
    { ...dims, q_stride: qkv.stride, out_stride: out.stride, block, scale },
    { HALF },
  );
}
