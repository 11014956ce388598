/**
 * Linear layers on the device: y = x · Wᵀ + b, W [N, K] in the quad layout of matmul.wgsl, sharded by rows so that no
 * binding passes the adapter's limit.
 */
import { matmul, matmulTexture, matmulTiled, matvec, matvecSplit, matvecTexture } from "../gpu/kernels.ts";
import type { Pass, Runtime } from "../gpu/pass.ts";
import { fromHalf, toFloat32, toHalf } from "../gpu/safetensors.ts";
import {
  columnsFrom,
  pad,
  rowSlices,
  rowsOf,
  type Tensor,
  TEXEL_ROW,
  type Texels,
  WINDOW,
} from "../gpu/tensor.ts";
import type { Checkpoint } from "./checkpoint.ts";

export type Format = "f32" | "f16" | "bf16" | "int4";
/** How float tensors are held: "f32" keeps what the file has (bf16 and f16 are exact), "f16" halves everything. */
export type Precision = "f32" | "f16";

export const FORMAT_CODE: Record<Format, number> = { f32: 0, f16: 1, bf16: 2, int4: 3 };
/** Values of k that one 32-bit word holds. */
const PER_WORD: Record<Format, number> = { f32: 1, f16: 2, bf16: 2, int4: 8 };

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

/** A source of rows: one tensor of the checkpoint, its rows taken in order. */
export interface RowSource {
  name: string;
  n: number;
  /** Reorders the columns of one row (for example a convolution's kernel) while reading. */
  columns?: Int32Array;
}

export interface LinearSpec {
  name: string;
  k: number;
  /** Concatenated along N; "interleave" takes four rows of each in turn (gate, up). */
  sources: RowSource[];
  interleave?: boolean;
  /** Bias tensors, concatenated like the sources; null: none. */
  bias: string[] | null;
  precision: Precision;
  /** Keep in storage buffers although the device likes texels (tables that `embed` reads). */
  buffer?: boolean;
}

/** Uploads a layer. @throws with the tensor named where the shape is not [n, k]. */
export function loadLinear(runtime: Runtime, checkpoint: Checkpoint, spec: LinearSpec): Linear {
  const { sources, k } = spec;
  const n = sources.reduce((sum, s) => sum + s.n, 0);
  const format = formatOf(checkpoint, spec);
  const words = wordsOf(format, k);
  const groups = Math.ceil(k / 32);
  if (spec.interleave && (sources.length !== 2 || sources.some((s) => s.n % 4 || s.n !== sources[0].n))) {
    throw new Error(`Cannot load ${spec.name}: ${sources.map((s) => s.n)} rows cannot be taken by fours`);
  }
  const kind = !spec.buffer && runtime.profile.memory === "texture" && fitsWindow(k) ? "texture" : "buffer";
  const { storageBinding, textureRows } = runtime.gpu.limits;
  const limit = kind === "texture" ? Math.min(textureRows * TEXEL_ROW * 16 / 2, 1 << 30) : storageBinding;
  const perShard = Math.floor(limit / (words * 4) / 64) * 64;
  if (perShard < 64) {
    throw new Error(`Cannot load ${spec.name}: one row of ${k} does not fit the adapter's bindings`);
  }
  const shards: Shard[] = [];
  let bytes = 0;
  for (let first = 0; first < n; first += perShard) {
    const count = Math.min(perShard, n - first);
    const rows = pad(count, spec.interleave ? 16 : 8);
    const size = rows * words;
    const all = new Uint32Array(size + (format === "int4" ? rows * groups : 4));
    const weight = all.subarray(0, size);
    const scales = all.subarray(size);
    for (let r = 0; r < count; r += 512) {
      fill(checkpoint, spec, format, first + r, Math.min(512, count - r), r, weight, scales, words, groups);
    }
    shards.push({ first, rows, data: place(runtime, spec.name, kind, all, size) });
    bytes += all.byteLength;
  }
  const bias = runtime.memory.tensor(`${spec.name} bias`, 1, pad(n, 16));
  if (spec.bias) {
    const parts = spec.bias.map((b, i) => checkpoint.floats(b, [sources[i].n]));
    const all = new Float32Array(pad(n, 8));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    runtime.memory.write(bias.buf, 0, all);
  }
  return { name: spec.name, n, k, format, shards, bias, bytes };
}

/** A row of x must fit one uniform window, whose start may be up to 256 bytes early. */
const fitsWindow = (k: number): boolean => pad(k, 8) * 4 <= WINDOW - 256;

function place(
  runtime: Runtime,
  name: string,
  kind: ShardData["kind"],
  all: Uint32Array<ArrayBuffer>,
  size: number,
): ShardData {
  if (kind === "texture") {
    return { kind, weight: runtime.memory.texels(`${name} weight`, all), scalesAt: size / 4 };
  }
  const upload = (label: string, data: Uint32Array): Tensor => ({
    buf: runtime.memory.upload(`${name} ${label}`, data),
    offset: 0,
    rows: 1,
    cols: data.length,
    stride: data.length,
  });
  return {
    kind,
    weight: upload("weight", all.subarray(0, size)),
    scales: upload("scales", all.subarray(size)),
  };
}

/** 32-bit words of one row, K padded to 8 (to 32 for int4's groups only in the scales). */
const wordsOf = (format: Format, k: number): number => pad(k, 8) / PER_WORD[format];

function formatOf(checkpoint: Checkpoint, spec: LinearSpec): Format {
  const kinds = new Set(spec.sources.map((s) => checkpoint.dtype(s.name)));
  if (kinds.size === 1 && kinds.has("INT4") && spec.sources.every((s) => !s.columns)) return "int4";
  if (spec.precision === "f16") return "f16";
  if (kinds.size === 1 && kinds.has("BF16")) return "bf16";
  if (kinds.size === 1 && kinds.has("F16")) return "f16";
  return "f32";
}

/** Packs rows [from, from + count) of the layer into the shard from its row `to` on. */
function fill(
  checkpoint: Checkpoint,
  spec: LinearSpec,
  format: Format,
  from: number,
  count: number,
  to: number,
  weight: Uint32Array,
  scales: Uint32Array,
  words: number,
  groups: number,
): void {
  for (const run of runs(spec, from, count)) {
    const { source, first, length, place } = run;
    if (format === "int4") {
      const q = checkpoint.int4Rows(source.name, first, length);
      const stored = q.words.length / length;
      for (let r = 0; r < length; r++) {
        const row = to + place(r);
        const base = (row >> 2) * words * 4 + (row & 3);
        for (let j = 0; j < words; j++) weight[base + 4 * j] = q.words[r * stored + j];
        const sBase = (row >> 2) * groups * 4 + (row & 3);
        for (let g = 0; g < groups; g++) scales[sBase + 4 * g] = q.scales[r * groups + g];
      }
      continue;
    }
    const values = floatRows(checkpoint, source, first, length, spec.k);
    const bits = new Uint32Array(values.buffer);
    for (let r = 0; r < length; r++) {
      const row = to + place(r);
      const base = (row >> 2) * words * 4 + (row & 3);
      const start = r * spec.k;
      if (format === "f32") {
        for (let k = 0; k < spec.k; k++) weight[base + 4 * k] = bits[start + k];
      } else if (format === "bf16") {
        for (let k = 0; k < spec.k; k++) {
          weight[base + 4 * (k >> 1)] |= (bits[start + k] >>> 16) << (16 * (k & 1));
        }
      } else {
        for (let k = 0; k < spec.k; k++) {
          weight[base + 4 * (k >> 1)] |= toHalf(values[start + k]) << (16 * (k & 1));
        }
      }
    }
  }
}

/** Which stored rows make up layer rows [from, from + count), `from` a multiple of 8; `place` of the r-th: from `from` on. */
function* runs(spec: LinearSpec, from: number, count: number) {
  const { sources } = spec;
  if (spec.interleave) {
    const m = sources.length;
    const first = from / m;
    for (let s = 0; s < m; s++) {
      const length = 4 * Math.max(0, Math.ceil((count / 4 - s) / m));
      const place = (r: number): number => 4 * ((r >> 2) * m + s) + (r & 3);
      if (length) yield { source: sources[s], first, length, place };
    }
    return;
  }
  let start = 0;
  for (const source of sources) {
    const lo = Math.max(from, start);
    const hi = Math.min(from + count, start + source.n);
    if (hi > lo) {
      yield {
        source,
        first: lo - start,
        length: hi - lo,
        place: (r: number): number => lo - from + r,
      };
    }
    start += source.n;
  }
}

/** Rows as float32 [count, k]; a tensor of more dimensions is flattened, an int4 one dequantised. */
export function floatRows(
  checkpoint: Checkpoint,
  source: RowSource,
  first: number,
  count: number,
  k: number,
): Float32Array<ArrayBuffer> {
  if (checkpoint.isInt4(source.name)) return dequantise(checkpoint, source.name, first, count, k);
  const info = checkpoint.info(source.name);
  const width = info.shape.slice(1).reduce((a, b) => a * b, 1);
  const wanted = source.columns ? source.columns.reduce((a, c) => a + (c >= 0 ? 1 : 0), 0) : k;
  if (info.shape[0] !== source.n || width !== wanted) {
    throw new Error(
      `Cannot load ${source.name}: it is [${info.shape}], [${source.n}, ${wanted}] was expected`,
    );
  }
  const values = toFloat32(checkpoint.rows(source.name, first, count), info.dtype);
  if (!source.columns) return values;
  const out = new Float32Array(count * k);
  for (let r = 0; r < count; r++) {
    for (let c = 0; c < k; c++) {
      const at = source.columns[c];
      if (at >= 0) out[r * k + c] = values[r * width + at];
    }
  }
  return out;
}

function dequantise(checkpoint: Checkpoint, name: string, first: number, count: number, k: number) {
  const q = checkpoint.int4Rows(name, first, count);
  const groups = Math.ceil(k / 32);
  const out = new Float32Array(count * k);
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < k; i++) {
      const word = q.words[r * groups * 4 + (i >> 3)];
      const lane = i & 7;
      const s = q.scales[r * groups + (i >> 5)];
      const nibble = (word >>> (lane < 4 ? 8 * lane : 8 * lane - 28)) & 15;
      out[r * k + i] = Math.fround(fromHalf(s & 0xffff) * nibble + fromHalf(s >>> 16));
    }
  }
  return out;
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

/** Few rows read the weights once a row; more rows share them in tiles. */
const MATVEC_ROWS = 3;

/** out [rows, n] (+)= act(x · Wᵀ + b). x's padding must be zero; out's becomes zero. */
export function linear(pass: Pass, layer: Linear, x: Tensor, out: Tensor, options: LinearOptions = {}): void {
  for (const [first, count] of rowSlices(pass.runtime.gpu, x.rows, x.stride, out.stride)) {
    linearRows(pass, layer, rowsOf(x, first, count), rowsOf(out, first, count), options, null);
  }
}

/** The same on RMS-normalised x, in one dispatch for few rows. False: too many rows, nothing was done. */
export function normedLinear(
  pass: Pass,
  norm: FusedNorm,
  layer: Linear,
  x: Tensor,
  out: Tensor,
  options: LinearOptions = {},
): boolean {
  if (x.rows > MATVEC_ROWS) return false;
  linearRows(pass, layer, x, out, options, norm);
  return true;
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
      if (x.rows > MATVEC_ROWS) {
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
    for (let row = 0; row < x.rows;) {
      const { start, x_first, count } = window(x, row);
      const buffers = { x: { ...x, offset: start }, weight: data.weight, bias, out: to };
      const sizes = { ...shape, x_first, out_first: row, scales_at: data.scalesAt, rows: count };
      if (count > MATVEC_ROWS) pass.run(matmulTexture, buffers, sizes, constants);
      else {
        const QUADS = quadsOfThread(rows / 4);
        pass.run(matvecTexture, { ...buffers, norm: weightOfNorm }, { ...sizes, ...few }, {
          ...normConstants,
          QUADS,
        });
      }
      row += count;
    }
  }
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
