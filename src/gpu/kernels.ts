/**
 * Every kernel with its contract (those of attention: attention_kernels.ts). Name = WGSL file = pipeline label = profile row = test.
 * Activations are f32 rows of stride 8·n with zero padding; weights are in the quad layout of matmul.wgsl.
 */
import adjustLogitsWgsl from "../../wgsl/adjust_logits.wgsl" with { type: "text" };
import convPatchesWgsl from "../../wgsl/conv_patches.wgsl" with { type: "text" };
import countDrawnWgsl from "../../wgsl/count_drawn.wgsl" with { type: "text" };
import embedTextureWgsl from "../../wgsl/embed_texture.wgsl" with { type: "text" };
import embedWgsl from "../../wgsl/embed.wgsl" with { type: "text" };
import gatherRowsWgsl from "../../wgsl/gather_rows.wgsl" with { type: "text" };
import layernormWgsl from "../../wgsl/layernorm.wgsl" with { type: "text" };
import logitTilesWgsl from "../../wgsl/logit_tiles.wgsl" with { type: "text" };
import logprobsWgsl from "../../wgsl/logprobs.wgsl" with { type: "text" };
import matmulWgsl from "../../wgsl/matmul.wgsl" with { type: "text" };
import matmulTiledWgsl from "../../wgsl/matmul_tiled.wgsl" with { type: "text" };
import matvecSplitWgsl from "../../wgsl/matvec_split.wgsl" with { type: "text" };
import matmulTextureWgsl from "../../wgsl/matmul_texture.wgsl" with { type: "text" };
import matvecTextureWgsl from "../../wgsl/matvec_texture.wgsl" with { type: "text" };
import matvecWgsl from "../../wgsl/matvec.wgsl" with { type: "text" };
import mixRowsWgsl from "../../wgsl/mix_rows.wgsl" with { type: "text" };
import positionBilinearWgsl from "../../wgsl/position_bilinear.wgsl" with { type: "text" };
import rmsnormWgsl from "../../wgsl/rmsnorm.wgsl" with { type: "text" };
import sampleWgsl from "../../wgsl/sample.wgsl" with { type: "text" };
import scatterWordsWgsl from "../../wgsl/scatter_words.wgsl" with { type: "text" };
import activatePart from "../../wgsl/parts/activate.wgsl" with { type: "text" };
import cutPart from "../../wgsl/parts/cut.wgsl" with { type: "text" };
import drawPart from "../../wgsl/parts/draw.wgsl" with { type: "text" };
import embedRowPart from "../../wgsl/parts/embed_row.wgsl" with { type: "text" };
import fetchPart from "../../wgsl/parts/fetch.wgsl" with { type: "text" };
import heldPart from "../../wgsl/parts/held.wgsl" with { type: "text" };
import rowSumsPart from "../../wgsl/parts/row_sums.wgsl" with { type: "text" };
import tileScalePart from "../../wgsl/parts/tile_scale.wgsl" with { type: "text" };
import tileStorePart from "../../wgsl/parts/tile_store.wgsl" with { type: "text" };
import wordsBufferPart from "../../wgsl/parts/words_buffer.wgsl" with { type: "text" };
import wordsTexturePart from "../../wgsl/parts/words_texture.wgsl" with { type: "text" };
import { kernel, tall } from "./kernel.ts";
import softmaxRowsWgsl from "../../wgsl/softmax_rows.wgsl" with { type: "text" };

export * from "./attention_kernels.ts";

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
const layerShape = { rows: "u32", quads: "u32", words: "u32" } as const;
const windowShape = {
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
  shape: { ...layerShape, ...windowShape },
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
  shape: { ...layerShape, per: "u32", ...windowShape, act: "u32", add: "u32", glu: "u32" },
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

export const gatherRows = kernel("gather_rows", gatherRowsWgsl, {
  buffers: { x: "read", index: "read", table: "read", other: "read", out: "write" },
  shape: { rows: "u32", cols: "u32", x_stride: "u32", out_stride: "u32", table_stride: "u32" },
  grid: (s) => tall(s.rows),
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

/** Parts of a row: one for each TILE of its logits. */
export const logitTiles = kernel("logit_tiles", logitTilesWgsl, {
  buffers: { logits: "read", draws: "read", tops: "read", parts: "write" },
  shape: { rows: "u32", vocab: "u32", stride: "u32" },
  grid: (s, c) => [Math.ceil(s.vocab / c.TILE), s.rows],
}, [drawPart]);

const drawShape = { rows: "u32", vocab: "u32", stride: "u32", result_stride: "u32" } as const;

export const sample = kernel("sample", sampleWgsl, {
  buffers: { logits: "read", parts: "read", draws: "read", drawn: "write", results: "write" },
  shape: drawShape,
  grid: (s) => [s.rows],
}, [drawPart, heldPart, cutPart]);

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
  buffers: { logits: "read", tops: "read", parts: "write", results: "write" },
  shape: drawShape,
  grid: (s) => [s.rows],
}, [drawPart]);
