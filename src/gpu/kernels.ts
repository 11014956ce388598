/**
 * Every kernel with its contract. Name = WGSL file = pipeline label = profile row = test.
 * Activations are f32 rows of stride 8·n with zero padding; weights are in the quad layout of matmul.wgsl.
 */
import adjustLogitsWgsl from "../../wgsl/adjust_logits.wgsl" with { type: "text" };
import attentionDecodeWgsl from "../../wgsl/attention_decode.wgsl" with { type: "text" };
import attentionFramesWgsl from "../../wgsl/attention_frames.wgsl" with { type: "text" };
import attentionMergeWgsl from "../../wgsl/attention_merge.wgsl" with { type: "text" };
import attentionPagedWgsl from "../../wgsl/attention_paged.wgsl" with { type: "text" };
import attentionTextureWgsl from "../../wgsl/attention_texture.wgsl" with { type: "text" };
import attentionTiledWgsl from "../../wgsl/attention_tiled.wgsl" with { type: "text" };
import convPatchesWgsl from "../../wgsl/conv_patches.wgsl" with { type: "text" };
import countDrawnWgsl from "../../wgsl/count_drawn.wgsl" with { type: "text" };
import embedTextureWgsl from "../../wgsl/embed_texture.wgsl" with { type: "text" };
import embedWgsl from "../../wgsl/embed.wgsl" with { type: "text" };
import gatherRowsWgsl from "../../wgsl/gather_rows.wgsl" with { type: "text" };
import layernormWgsl from "../../wgsl/layernorm.wgsl" with { type: "text" };
import logprobsWgsl from "../../wgsl/logprobs.wgsl" with { type: "text" };
import matmulWgsl from "../../wgsl/matmul.wgsl" with { type: "text" };
import matmulTiledWgsl from "../../wgsl/matmul_tiled.wgsl" with { type: "text" };
import matvecSplitWgsl from "../../wgsl/matvec_split.wgsl" with { type: "text" };
import matmulTextureWgsl from "../../wgsl/matmul_texture.wgsl" with { type: "text" };
import matvecTextureWgsl from "../../wgsl/matvec_texture.wgsl" with { type: "text" };
import matvecWgsl from "../../wgsl/matvec.wgsl" with { type: "text" };
import mixRowsWgsl from "../../wgsl/mix_rows.wgsl" with { type: "text" };
import positionBilinearWgsl from "../../wgsl/position_bilinear.wgsl" with { type: "text" };
import qkvMatvecTextureWgsl from "../../wgsl/qkv_matvec_texture.wgsl" with { type: "text" };
import qkvRopeWgsl from "../../wgsl/qkv_rope.wgsl" with { type: "text" };
import qkvRopeTextureWgsl from "../../wgsl/qkv_rope_texture.wgsl" with { type: "text" };
import rmsnormWgsl from "../../wgsl/rmsnorm.wgsl" with { type: "text" };
import sampleWgsl from "../../wgsl/sample.wgsl" with { type: "text" };
import scatterWordsWgsl from "../../wgsl/scatter_words.wgsl" with { type: "text" };
import activatePart from "../../wgsl/parts/activate.wgsl" with { type: "text" };
import embedRowPart from "../../wgsl/parts/embed_row.wgsl" with { type: "text" };
import fetchPart from "../../wgsl/parts/fetch.wgsl" with { type: "text" };
import rowSumsPart from "../../wgsl/parts/row_sums.wgsl" with { type: "text" };
import tileScalePart from "../../wgsl/parts/tile_scale.wgsl" with { type: "text" };
import tileStorePart from "../../wgsl/parts/tile_store.wgsl" with { type: "text" };
import wordsBufferPart from "../../wgsl/parts/words_buffer.wgsl" with { type: "text" };
import wordsTexturePart from "../../wgsl/parts/words_texture.wgsl" with { type: "text" };
import { type Grid, kernel } from "./kernel.ts";
import softmaxRowsWgsl from "../../wgsl/softmax_rows.wgsl" with { type: "text" };

/** Rows past 32,768 go to the second dimension (kernels read row = x + 32768 · y or z). */
const ROWS = 32768;
const tall = (rows: number): Grid => [Math.min(rows, ROWS), Math.ceil(rows / ROWS)];

const FROM_BUFFERS = [wordsBufferPart, fetchPart, activatePart];
const FROM_TEXELS = [wordsTexturePart, fetchPart];

const linear = { x: "read", weight: "read", scales: "read", bias: "read", out: "write" } as const;
const linearShape = { rows: "u32", quads: "u32", words: "u32", x_stride: "u32", out_stride: "u32" } as const;

export const matvec = kernel("matvec", matvecWgsl, {
  buffers: { x: "read", weight: "read", scales: "read", bias: "read", norm: "read", out: "write" },
  shape: { ...linearShape, cols: "u32", eps: "f32" },
  grid: (s, c) => [Math.ceil(s.quads / 2 / c.WG), s.rows],
}, FROM_BUFFERS);

export const matmul = kernel("matmul", matmulWgsl, {
  buffers: linear,
  shape: linearShape,
  grid: (s, c) => [Math.ceil(s.quads / 2 / c.WG), Math.ceil(s.rows / 8)],
}, FROM_BUFFERS);

export const matvecSplit = kernel("matvec_split", matvecSplitWgsl, {
  buffers: { x: "read", weight: "read", scales: "read", bias: "read", norm: "read", out: "write" },
  shape: { ...linearShape, cols: "u32", eps: "f32" },
  grid: (s, c) => [Math.ceil(s.quads / c.QUADS), Math.ceil(s.rows / c.ROWS)],
}, FROM_BUFFERS);

export const matmulTiled = kernel("matmul_tiled", matmulTiledWgsl, {
  buffers: linear,
  shape: linearShape,
  grid: (s) => [Math.ceil(s.quads / 16), Math.ceil(s.rows / 64)],
}, FROM_BUFFERS);

const windowed = { x: "uniform", weight: "texture", bias: "read", norm: "uniform", out: "write" } as const;
const windowedShape = {
  rows: "u32",
  quads: "u32",
  words: "u32",
  x_first: "u32",
  x_stride: "u32",
  out_first: "u32",
  out_stride: "u32",
  scales_at: "u32",
  cols: "u32",
  eps: "f32",
} as const;

export const matvecTexture = kernel("matvec_texture", matvecTextureWgsl, {
  buffers: windowed,
  shape: windowedShape,
  grid: (s, c) => [Math.ceil(s.quads / c.QUADS / c.WG), s.rows],
}, [...FROM_TEXELS, rowSumsPart, activatePart]);

export const matmulTexture = kernel("matmul_texture", matmulTextureWgsl, {
  buffers: {
    x0: "uniform",
    x1: "uniform",
    x2: "uniform",
    x3: "uniform",
    x4: "uniform",
    x5: "uniform",
    x6: "uniform",
    x7: "uniform",
    weight: "texture",
    bias: "read",
    norm: "uniform",
    out: "write",
  },
  shape: {
    rows: "u32",
    quads: "u32",
    words: "u32",
    per: "u32",
    x_first: "u32",
    x_stride: "u32",
    out_first: "u32",
    out_stride: "u32",
    scales_at: "u32",
    cols: "u32",
    eps: "f32",
  },
  grid: (s, c) => [Math.ceil(s.quads / c.QUADS / c.WG), s.per],
}, [...FROM_TEXELS, activatePart, tileScalePart, tileStorePart]);

const embedShape = {
  rows: "u32",
  first: "u32",
  quads: "u32",
  words: "u32",
  out_stride: "u32",
  media_stride: "u32",
} as const;

export const embed = kernel("embed", embedWgsl, {
  buffers: {
    token: "read",
    media: "read",
    drawn: "read",
    weight: "read",
    scales: "read",
    store: "read",
    out: "write",
  },
  shape: embedShape,
  grid: (s) => [s.rows],
}, [wordsBufferPart, embedRowPart]);

export const embedTexture = kernel("embed_texture", embedTextureWgsl, {
  buffers: { token: "read", media: "read", drawn: "read", weight: "texture", store: "read", out: "write" },
  shape: { ...embedShape, scales_at: "u32" },
  grid: (s) => [s.rows],
}, [wordsTexturePart, embedRowPart]);

const normShape = { rows: "u32", cols: "u32", x_stride: "u32", out_stride: "u32", eps: "f32" } as const;

export const rmsnorm = kernel("rmsnorm", rmsnormWgsl, {
  buffers: { x: "read", weight: "read", out: "write" },
  shape: normShape,
  grid: (s) => [s.rows],
});

export const layernorm = kernel("layernorm", layernormWgsl, {
  buffers: { x: "read", weight: "read", bias: "read", out: "write" },
  shape: normShape,
  grid: (s) => [s.rows],
});

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
}, [...FROM_TEXELS, rowSumsPart]);

const attentionShape = {
  rows: "u32",
  heads: "u32",
  kv_heads: "u32",
  dim: "u32",
  q_stride: "u32",
  out_stride: "u32",
  block: "u32",
  scale: "f32",
} as const;

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
  shape: {
    tiles: "u32",
    heads: "u32",
    kv_heads: "u32",
    dim: "u32",
    q_stride: "u32",
    out_stride: "u32",
    block: "u32",
    scale: "f32",
  },
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

export const gatherRows = kernel("gather_rows", gatherRowsWgsl, {
  buffers: { x: "read", index: "read", table: "read", other: "read", out: "write" },
  shape: { rows: "u32", cols: "u32", x_stride: "u32", out_stride: "u32", table_stride: "u32" },
  grid: (s) => tall(s.rows),
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

export const mixRows = kernel("mix_rows", mixRowsWgsl, {
  buffers: { x: "read", starts: "read", parts: "read", weight: "read", out: "write" },
  shape: { rows: "u32", cols: "u32", x_stride: "u32", out_stride: "u32" },
  grid: (s) => tall(s.rows),
});

export const softmaxRows = kernel("softmax_rows", softmaxRowsWgsl, {
  buffers: { x: "write" },
  shape: { rows: "u32", cols: "u32", x_stride: "u32", step: "u32" },
  grid: (s) => tall(s.rows),
});

export const positionBilinear = kernel("position_bilinear", positionBilinearWgsl, {
  buffers: { corner: "read", mix4: "read", table: "read", x: "write" },
  shape: { rows: "u32", cols: "u32", x_stride: "u32", table_stride: "u32" },
  grid: (s) => tall(s.rows),
});

export const convPatches = kernel("conv_patches", convPatchesWgsl, {
  buffers: { x: "read", out: "write" },
  shape: {
    rows: "u32",
    t_in: "u32",
    f_in: "u32",
    t_out: "u32",
    f_out: "u32",
    channels: "u32",
    chunk_stride: "u32",
    t_stride: "u32",
    f_stride: "u32",
    chunk_t: "u32",
    valid: "u32",
    out_stride: "u32",
  },
  grid: (s) => tall(s.rows),
});

export const sample = kernel("sample", sampleWgsl, {
  buffers: { logits: "read", draws: "read", drawn: "write", results: "write" },
  shape: { rows: "u32", vocab: "u32", stride: "u32", result_stride: "u32" },
  grid: (s) => [s.rows],
});

export const adjustLogits = kernel("adjust_logits", adjustLogitsWgsl, {
  buffers: { logits: "read", adjusts: "read", counts: "read", masks: "read", out: "write" },
  shape: { rows: "u32", vocab: "u32", stride: "u32" },
  grid: (s, c) => [Math.ceil(s.vocab / c.WG), s.rows],
});

export const scatterWords = kernel("scatter_words", scatterWordsWgsl, {
  buffers: { entries: "read", out: "write" },
  shape: { count: "u32" },
  grid: (s, c) => [Math.ceil(s.count / c.WG)],
});

export const countDrawn = kernel("count_drawn", countDrawnWgsl, {
  buffers: { results: "read", slots: "read", counts: "write" },
  shape: { rows: "u32", vocab: "u32", result_stride: "u32" },
  grid: (s, c) => [Math.ceil(s.rows / c.WG)],
});

export const logprobs = kernel("logprobs", logprobsWgsl, {
  buffers: { logits: "read", tops: "read", results: "write" },
  shape: { rows: "u32", vocab: "u32", stride: "u32", result_stride: "u32" },
  grid: (s) => [s.rows],
});
