/** Attention's kernels with their contracts: rotary and the cache's entries, attention itself, and its merging. See kernels.ts. */
import attentionDecodeWgsl from "../../wgsl/attention_decode.wgsl" with { type: "text" };
import attentionFramesWgsl from "../../wgsl/attention_frames.wgsl" with { type: "text" };
import attentionMergeWgsl from "../../wgsl/attention_merge.wgsl" with { type: "text" };
import attentionPagedWgsl from "../../wgsl/attention_paged.wgsl" with { type: "text" };
import attentionTextureWgsl from "../../wgsl/attention_texture.wgsl" with { type: "text" };
import attentionTiledWgsl from "../../wgsl/attention_tiled.wgsl" with { type: "text" };
import qkvMatvecTextureWgsl from "../../wgsl/qkv_matvec_texture.wgsl" with { type: "text" };
import qkvRopeWgsl from "../../wgsl/qkv_rope.wgsl" with { type: "text" };
import qkvRopeTextureWgsl from "../../wgsl/qkv_rope_texture.wgsl" with { type: "text" };
import fetchPart from "../../wgsl/parts/fetch.wgsl" with { type: "text" };
import rowSumsPart from "../../wgsl/parts/row_sums.wgsl" with { type: "text" };
import wordsTexturePart from "../../wgsl/parts/words_texture.wgsl" with { type: "text" };
import { kernel, ROWS } from "./kernel.ts";

const ropeShape = {
  rows: "u32",
  heads: "u32",
  kv_heads: "u32",
  dim: "u32",
  stride: "u32",
  eps: "f32",
} as const;

export const qkvRope = kernel("qkv_rope", qkvRopeWgsl, {
  buffers: {
    angles: "read",
    q_norm: "read",
    k_norm: "read",
    place: "read",
    qkv: "write",
    k_cache: "write",
    v_cache: "write",
  },
  shape: ropeShape,
  grid: (s) => [Math.min(s.rows, ROWS), s.heads + 2 * s.kv_heads, Math.ceil(s.rows / ROWS)],
});

export const qkvRopeTexture = kernel("qkv_rope_texture", qkvRopeTextureWgsl, {
  buffers: {
    angles: "read",
    q_norm: "uniform",
    k_norm: "uniform",
    place: "read",
    qkv: "write",
    k_cache: "texture_write",
    v_cache: "texture_write",
  },
  shape: ropeShape,
  grid: (s, c) => [Math.ceil(s.rows * (s.heads + 2 * s.kv_heads) / c.WG)],
});

export const qkvMatvecTexture = kernel("qkv_matvec_texture", qkvMatvecTextureWgsl, {
  buffers: {
    x: "uniform",
    weight: "texture",
    bias: "read",
    norm: "uniform",
    angles: "read",
    head_norms: "uniform",
    place: "read",
    out: "write",
    k_cache: "texture_write",
    v_cache: "texture_write",
  },
  shape: {
    words: "u32",
    x_first: "u32",
    x_stride: "u32",
    out_stride: "u32",
    scales_at: "u32",
    cols: "u32",
    heads: "u32",
    kv_heads: "u32",
    rows: "u32",
    eps: "f32",
    head_eps: "f32",
  },
  grid: (s) => [s.heads + 2 * s.kv_heads, s.rows],
}, [wordsTexturePart, fetchPart, rowSumsPart]);

const headsShape = {
  heads: "u32",
  kv_heads: "u32",
  dim: "u32",
  q_stride: "u32",
  out_stride: "u32",
  block: "u32",
  scale: "f32",
} as const;
const attentionShape = { rows: "u32", ...headsShape } as const;

export const attentionPaged = kernel("attention_paged", attentionPagedWgsl, {
  buffers: { q: "read", k_cache: "read", v_cache: "read", place: "read", tables: "read", out: "write" },
  shape: attentionShape,
  grid: (s) => [Math.min(s.rows, ROWS), s.heads, Math.ceil(s.rows / ROWS)],
});

export const attentionTexture = kernel("attention_texture", attentionTextureWgsl, {
  buffers: {
    q: "read",
    k_cache: "texture",
    v_cache: "texture",
    place: "read",
    tables: "read",
    out: "write",
  },
  shape: attentionShape,
  grid: (s, c) =>
    c.EACH
      ? [Math.ceil(s.rows * s.heads / c.HEADS / c.WG)]
      : [Math.min(s.rows, ROWS), s.heads / c.HEADS, Math.ceil(s.rows / ROWS)],
});

export const attentionTiled = kernel("attention_tiled", attentionTiledWgsl, {
  buffers: {
    q: "read",
    k_cache: "read",
    v_cache: "read",
    place: "read",
    tables: "read",
    tiles: "read",
    out: "write",
  },
  shape: { tiles: "u32", ...headsShape },
  grid: (s) => [Math.min(s.tiles, ROWS), s.heads, Math.ceil(s.tiles / ROWS)],
});

export const attentionDecode = kernel("attention_decode", attentionDecodeWgsl, {
  buffers: {
    qkv: "read",
    angles: "read",
    norms: "read",
    place: "read",
    tables: "read",
    k_cache: "write",
    v_cache: "write",
    out: "write",
  },
  shape: {
    rows: "u32",
    heads: "u32",
    kv_heads: "u32",
    dim: "u32",
    stride: "u32",
    out_stride: "u32",
    block: "u32",
    splits: "u32",
    split_keys: "u32",
    eps: "f32",
    scale: "f32",
  },
  grid: (s) => [s.rows, s.kv_heads, s.splits],
});

export const attentionMerge = kernel("attention_merge", attentionMergeWgsl, {
  buffers: { part: "read", out: "write" },
  shape: { rows: "u32", heads: "u32", dim: "u32", splits: "u32", part_stride: "u32", out_stride: "u32" },
  grid: (s) => [s.rows, s.heads],
});

export const attentionFrames = kernel("attention_frames", attentionFramesWgsl, {
  buffers: { qkv: "read", out: "write" },
  shape: {
    rows: "u32",
    size: "u32",
    heads: "u32",
    dim: "u32",
    qkv_stride: "u32",
    out_stride: "u32",
    scale: "f32",
  },
  grid: (s) => [Math.min(s.rows, ROWS), s.heads, Math.ceil(s.rows / ROWS)],
});
