/**
 * Loading linear layers: W [N, K] of one or more tensors into the quad layout of matmul.wgsl, sharded by rows so that no
 * binding passes the adapter's limit. All streams through one piece of host memory; codes are copied as they lie on disk.
 */
import type { Runtime } from "../gpu/runtime.ts";
import { toFloat32, toHalf } from "../gpu/safetensors.ts";
import { type Buf, pad, type Tensor, TEXEL_ROW, WINDOW } from "../gpu/tensor.ts";
import { PIECE, type Sink, Upload } from "../gpu/upload.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { checkCoded, copyCodes, copyScales, dequantise } from "./coded_load.ts";
import { type Format, type Linear, type Shard, type ShardData, wordsOf } from "./linear.ts";
import type { LinearSpec, RowSource } from "./linear_spec.ts";
import { QUAD_TILE_ROWS, QuadTiles, tileStore } from "./quad_tiles.ts";

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
  const kind = runtime.profile.memory === "texture" && fitsWindow(k) ? "texture" : "buffer";
  const { storageBinding, textureRows } = runtime.gpu.limits;
  const limit = kind === "texture" ? Math.min(textureRows * TEXEL_ROW * 16 / 2, 1 << 30) : storageBinding;
  const perShard = Math.floor(limit / (words * 4) / 64) * 64;
  if (perShard < 64) {
    throw new Error(`Cannot load ${spec.name}: one row of ${k} does not fit the adapter's bindings`);
  }
  const coded = format === "int4" || format === "int8" ? format : null;
  if (coded) checkCoded(checkpoint, spec);
  const shards: Shard[] = [];
  let bytes = 0;
  for (let first = 0; first < n; first += perShard) {
    const count = Math.min(perShard, n - first);
    const rows = pad(count, spec.interleave ? 16 : 8);
    const held = kind === "texture" ? pad(count, QUAD_TILE_ROWS) : rows;
    const sizes = { weight: held * words * 4, scales: coded ? held * groups * 4 : 16 };
    const data = place(runtime, spec.name, kind, sizes);
    const fillWeight = (sink: Sink) => {
      if (coded) copyCodes(checkpoint, spec, coded, first, count, sink);
      else copyFloats(checkpoint, spec, format, words, first, count, sink);
    };
    const fillScales = (sink: Sink) => {
      if (coded) copyScales(checkpoint, spec, first, count, sink);
    };
    const staging = checkpoint.scratch(0, PIECE);
    if (data.kind === "texture") {
      const upload = new Upload(runtime.gpu, data.weight, staging);
      for (const [texels, fill] of [[words, fillWeight], [groups, fillScales]] as const) {
        const tiles = new QuadTiles(upload, texels, checkpoint.scratch(3, tileStore(texels)));
        fill(tiles);
        tiles.end();
      }
      upload.end();
    } else {
      for (const [{ buf }, fill] of [[data.weight, fillWeight], [data.scales, fillScales]] as const) {
        const upload = new Upload(runtime.gpu, buf, staging);
        fill(upload);
        upload.end();
      }
    }
    shards.push({ first, rows, data });
    bytes += sizes.weight + sizes.scales;
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

/** Layer rows [first, first + count), `first` a multiple of 16, packed as floats of `format`. */
function copyFloats(
  checkpoint: Checkpoint,
  spec: LinearSpec,
  format: Format,
  words: number,
  first: number,
  count: number,
  sink: Sink,
): void {
  const most = Math.min(512, Math.floor(PIECE / (words * 4) / 16) * 16);
  for (let r = 0; r < count; r += most) {
    const some = Math.min(most, count - r);
    const piece = sink.take(pad(some, 4) * words * 4).fill(0);
    packFloats(checkpoint, spec, format, first + r, some, words, uint32(piece));
  }
}

/** A row of x must fit one uniform window, whose start may be up to 256 bytes early. */
const fitsWindow = (k: number): boolean => pad(k, 8) * 4 <= WINDOW - 256;

const uint32 = (bytes: Uint8Array<ArrayBuffer>): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);

/** Zero-filled device memory of a shard. */
function place(
  runtime: Runtime,
  name: string,
  kind: ShardData["kind"],
  sizes: { weight: number; scales: number },
): ShardData {
  if (kind === "texture") {
    const texels = (sizes.weight + sizes.scales) / 16;
    return {
      kind,
      weight: runtime.memory.emptyTexels(`${name} weight`, texels),
      scalesAt: sizes.weight / 16,
    };
  }
  const all = (buf: Buf, size: number): Tensor => ({
    buf,
    offset: 0,
    rows: 1,
    cols: size / 4,
    stride: size / 4,
  });
  return {
    kind,
    weight: all(runtime.memory.buffer(`${name} weight`, sizes.weight), sizes.weight),
    scales: all(runtime.memory.buffer(`${name} scales`, sizes.scales), sizes.scales),
  };
}

function formatOf(checkpoint: Checkpoint, spec: LinearSpec): Format {
  const kinds = new Set(spec.sources.map((s) => checkpoint.dtype(s.name)));
  if (spec.sources.every((s) => checkpoint.coded(s.name) && !s.columns && !s.transposed)) {
    return kinds.has("int8") ? "int8" : "int4"; // int4 beside int8 is widened without loss
  }
  if (spec.precision === "f16") return "f16";
  if (kinds.size === 1 && kinds.has("BF16")) return "bf16";
  if (kinds.size === 1 && kinds.has("F16")) return "f16";
  return "f32";
}

/** Packs float rows [from, from + count) of the layer, `from` a multiple of 16, into quads. @param weight zeros */
function packFloats(
  checkpoint: Checkpoint,
  spec: LinearSpec,
  format: Format,
  from: number,
  count: number,
  words: number,
  weight: Uint32Array,
): void {
  for (const { source, first, length, place } of runs(spec, from, count)) {
    const values = floatRows(checkpoint, source, first, length, spec.k);
    const bits = new Uint32Array(values.buffer);
    for (let r = 0; r < length; r++) {
      const row = place(r);
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

/** Rows as float32 [count, k]; a tensor of more dimensions is flattened, one in codes dequantised. */
export function floatRows(
  checkpoint: Checkpoint,
  source: RowSource,
  first: number,
  count: number,
  k: number,
): Float32Array<ArrayBuffer> {
  if (source.transposed) return transposedRows(checkpoint, source, first, count, k);
  if (checkpoint.coded(source.name)) return dequantise(checkpoint, source.name, first, count, k);
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

/** Columns [first, first + count) of a tensor [k, n] as rows. */
function transposedRows(
  checkpoint: Checkpoint,
  { name, n }: RowSource,
  first: number,
  count: number,
  k: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(count * k);
  const each = 256; // one cache line of each of so many rows stays near
  for (let from = 0; from < k; from += each) {
    const rows = Math.min(each, k - from);
    const values = floatRows(checkpoint, { name, n: k }, from, rows, n);
    for (let c = 0; c < count; c++) {
      for (let r = 0, to = c * k + from, at = first + c; r < rows; r++, at += n) out[to + r] = values[at];
    }
  }
  return out;
}
