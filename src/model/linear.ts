/** Linear layers on the device: y = x · Wᵀ + b by the kernels that suit the rows, the device and where the weights lie. */
import { matmul, matmulTexture, matmulTiled, matvec, matvecSplit, matvecTexture } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import { columnsFrom, pad, rowSlices, rowsOf, type Tensor, type Texels, WINDOW } from "../gpu/tensor.ts";
import type { Coded } from "./checkpoint.ts";

export type Format = "f32" | "f16" | "bf16" | Coded;

export const FORMAT_CODE: Record<Format, number> = { f32: 0, f16: 1, bf16: 2, int4: 3, int8: 4 };

/** Values of k that one 32-bit word holds. */
const PER_WORD: Record<Format, number> = { f32: 1, f16: 2, bf16: 2, int4: 8, int8: 4 };

/** 32-bit words of one row of weights, K padded to 8 (to 32 for groups of codes only in the scales). */
export const wordsOf = (format: Format, k: number): number => pad(k, 8) / PER_WORD[format];

export type Activation = "none" | "gelu_erf" | "gelu_tanh" | "quick_gelu" | "silu" | "relu";
const ACT_CODE: Record<Activation, number> = {
  none: 0,
  gelu_erf: 1,
  gelu_tanh: 2,
  quick_gelu: 3,
  silu: 4,
  relu: 5,
};

export interface Shard {
  /** First output row, a multiple of 64. */
  first: number;
  /** Rows held, padded with zeros to a multiple of 8 (16 for gate and up). */
  rows: number;
  data: ShardData;
}

/** Where a shard's words lie: in storage buffers, or as texels with the scales behind the weights. */
export type ShardData =
  | { kind: "buffer"; weight: Tensor; scales: Tensor }
  | { kind: "texture"; weight: Texels; scalesAt: number };

export interface Linear {
  name: string;
  n: number;
  k: number;
  format: Format;
  shards: Shard[];
  bias: Tensor;
  /** Bytes on the device. */
  bytes: number;
}

export interface LinearOptions {
  act?: Activation;
  /** out += result. */
  add?: boolean;
  /** Quads 2i, 2i+1 are gate and up; out has n / 2 columns. */
  glu?: boolean;
}

/** An RMSNorm that a matrix-vector product applies to x on the way. */
export interface FusedNorm {
  weight: Tensor;
  eps: number;
}

/** Few rows read the weights once a row; more rows share them in tiles (if it must not show: however few). */
const fewRows = (pass: Pass, { rows }: Tensor): boolean => rows <= 3 && !pass.runtime.batchInvariant;

/** out [rows, n] (+)= act(x · Wᵀ + b). x's padding must be zero; out's becomes zero. */
export function linear(pass: Pass, layer: Linear, x: Tensor, out: Tensor, options: LinearOptions = {}): void {
  for (const [first, count] of rowSlices(pass.runtime.gpu, x.rows, x.stride, out.stride)) {
    linearRows(pass, layer, rowsOf(x, first, count), rowsOf(out, first, count), options, null);
  }
}

/** The same on RMS-normalised x, in one dispatch. False: no kernel does it for so many rows, nothing was done. */
export function normedLinear(
  pass: Pass,
  norm: FusedNorm,
  layer: Linear,
  x: Tensor,
  out: Tensor,
  options: LinearOptions = {},
): boolean {
  if (!fewRows(pass, x) && layer.shards.some((s) => s.data.kind === "buffer")) return false;
  linearRows(pass, layer, x, out, options, norm);
  return true;
}

/** The weights of a layer and x as a texel kernel for few rows reads them in one dispatch; null: it does not fit one. */
export function texelProduct(pass: Pass, layer: Linear, x: Tensor) {
  const [shard, second] = layer.shards;
  if (second || shard.data.kind !== "texture" || !fewRows(pass, x)) return null;
  const { start, x_first, count } = window(x, 0);
  if (count < x.rows) return null;
  return {
    buffers: { x: { ...x, offset: start }, weight: shard.data.weight, bias: layer.bias },
    shape: {
      words: pad(layer.k, 8) / 8,
      x_first,
      x_stride: x.stride / 4,
      scales_at: shard.data.scalesAt,
      cols: layer.k,
      rows: x.rows,
    },
    FORMAT: FORMAT_CODE[layer.format],
  };
}

function linearRows(
  pass: Pass,
  layer: Linear,
  x: Tensor,
  out: Tensor,
  options: LinearOptions,
  norm: FusedNorm | null,
): void {
  const constants = {
    FORMAT: FORMAT_CODE[layer.format],
    ACT: ACT_CODE[options.act ?? "none"],
    ADD: options.add ? 1 : 0,
    GLU: options.glu ? 1 : 0,
  };
  const normConstants = { ...constants, NORM: norm ? 1 : 0 };
  for (const { first, rows, data } of layer.shards) {
    const to = first === 0 ? out : columnsFrom(out, options.glu ? first / 2 : first);
    const bias: Tensor = first === 0 ? layer.bias : columnsFrom(layer.bias, first);
    const shape = {
      quads: rows / 4,
      words: pad(layer.k, 8) / 8,
      x_stride: x.stride / 4,
      out_stride: out.stride / 4,
    };
    const few = { cols: layer.k, eps: norm?.eps ?? 0 };
    const weightOfNorm = norm?.weight ?? layer.bias;
    if (data.kind === "buffer") {
      const buffers = { x, weight: data.weight, scales: data.scales, bias, out: to };
      const sizes = { ...shape, rows: x.rows };
      const { profile } = pass.runtime;
      if (!fewRows(pass, x)) {
        pass.run(profile.matmul === "tiled" ? matmulTiled : matmul, buffers, sizes, constants);
      } else if (profile.matvec === "split") {
        const split = { QUADS: 4, ROWS: x.rows === 1 ? 1 : x.rows === 2 ? 2 : 4 };
        pass.run(matvecSplit, { ...buffers, norm: weightOfNorm }, { ...sizes, ...few }, {
          ...normConstants,
          ...split,
        });
      } else {
        pass.run(matvec, { ...buffers, norm: weightOfNorm }, { ...sizes, ...few }, normConstants);
      }
      continue;
    }
    const placed = { weight: data.weight, bias, norm: weightOfNorm, out: to };
    const sizes = { ...shape, ...few, scales_at: data.scalesAt };
    if (fewRows(pass, x)) {
      const QUADS = quadsOfThread(rows / 4);
      for (let row = 0; row < x.rows;) {
        const { start, x_first, count } = window(x, row);
        const window_of = { x_first, out_first: row, rows: count };
        pass.run(matvecTexture, { x: { ...x, offset: start }, ...placed }, { ...sizes, ...window_of }, {
          ...normConstants,
          QUADS,
        });
        row += count;
      }
      continue;
    }
    for (let row = 0; row < x.rows;) {
      const tile = tileWindows(x, row);
      const after = { act: constants.ACT, add: constants.ADD, glu: constants.GLU };
      const tileShape = { ...sizes, ...tile.shape, ...after, out_first: row };
      pass.run(matmulTexture, { ...tile.windows, ...placed }, tileShape, {
        FORMAT: constants.FORMAT,
        NORM: normConstants.NORM,
        ROWS: tile.ROWS,
        QUADS: rows / 16 * tile.shape.per >= 64 ? 4 : 2, // 4 share the loads of x; a few workgroups for every core
      });
      row += tile.shape.rows;
    }
  }
}

/** The windows over rows of x from `row` on, one for each row of a tile, and how many rows they hold together. */
function tileWindows(x: Tensor, row: number) {
  const left = x.rows - row;
  const ROWS = left > 4 ? 8 : 4;
  const width = x.stride * 4;
  const most = width % 256 ? WINDOW - 256 : WINDOW; // a window begins up to 256 bytes early
  const per = Math.min(Math.floor(most / width), Math.ceil(left / ROWS));
  let x_first = 0;
  const places = Array.from({ length: 8 }, (_, i): Tensor => {
    const at = x.offset + Math.min(row + i * per, x.rows - 1) * width;
    const offset = Math.floor(at / 256) * 256;
    x_first = (x_first | (at - offset) / 16 << 4 * i) >>> 0;
    return { ...x, offset };
  });
  const [x0, x1, x2, x3, x4, x5, x6, x7] = places;
  return {
    windows: { x0, x1, x2, x3, x4, x5, x6, x7 },
    shape: { per, x_first, rows: Math.min(left, per * ROWS) },
    ROWS,
  };
}

/** More quads a thread share the loads of x, as long as a few workgroups are left for every core. */
function quadsOfThread(quads: number): number {
  return [8, 4].find((each) => quads % each === 0 && quads / each >= 64) ?? 2;
}

/** The uniform window over rows of x from `row` on: where it is bound, where the row begins in it, rows that fit. */
function window(x: Tensor, row: number): { start: number; x_first: number; count: number } {
  const width = x.stride * 4;
  const at = x.offset + row * width;
  const start = Math.floor(at / 256) * 256;
  const fit = Math.floor((WINDOW - (at - start)) / width);
  const left = x.rows - row;
  const count = left <= fit ? left : fit > 8 ? fit - fit % 8 : fit;
  return { start, x_first: (at - start) / 16, count };
}
