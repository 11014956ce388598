/**
 * Loading linear layers: W [N, K] of one or more tensors into the quad layout of matmul.wgsl, sharded by rows so that no
 * binding passes the adapter's limit.
 */
import type { Runtime } from "../gpu/runtime.ts";
import { fromHalf, toFloat32, toHalf } from "../gpu/safetensors.ts";
import { pad, type Tensor, TEXEL_ROW, WINDOW } from "../gpu/tensor.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Format, Linear, Shard, ShardData } from "./linear.ts";

/** How float tensors are held: "f32" keeps what the file has (bf16 and f16 are exact), "f16" halves everything. */
export type Precision = "f32" | "f16";

/** Values of k that one 32-bit word holds. */
const PER_WORD: Record<Format, number> = { f32: 1, f16: 2, bf16: 2, int4: 8 };

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
