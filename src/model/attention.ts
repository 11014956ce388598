/**
 * Attention of every part of a model: text over the paged cache, pictures and sounds over their own segments.
 * Keys and values always go through a store, paged or scratch, in storage buffers or textures as the device likes.
 */
import {
  attentionDecode,
  attentionMerge,
  attentionPaged,
  attentionTexture,
  attentionTiled,
  qkvMatvecTexture,
  qkvRope,
  qkvRopeTexture,
} from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import {
  hostRows,
  pad,
  rowSlices,
  rowsOf,
  type Tensor,
  TEXEL_ROW,
  type Texels,
  type Workspace,
} from "../gpu/tensor.ts";
import { type FusedNorm, type Linear, texelProduct } from "./linear.ts";

/** "int8": a byte a value and one factor for each place and head. */
export type KvPrecision = "f32" | "f16" | "int8";

const KV_CODE: Record<KvPrecision, number> = { f32: 0, f16: 1, int8: 2 };

/** Keys and values of some places (cache rows), each [kv_heads · dim]. */
export type KeyValues =
  | { kind: "buffer"; precision: KvPrecision; k: Tensor; v: Tensor }
  | { kind: "texture"; precision: KvPrecision; k: Texels; v: Texels };

/** Bytes of one place, keys or values. */
export const placeBytes = (kvHeads: number, dim: number, precision: KvPrecision): number =>
  kvHeads * (precision === "int8" ? dim + 16 : precision === "f16" ? 2 * dim : 4 * dim);

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
  if (precision === "int8" && dim % 32 !== 0) {
    throw new Error(`Cannot keep keys and values as int8: head_dim ${dim} is no multiple of 32`);
  }
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
  /** Per-head RMSNorm weights of q, k and of both in one [2, dim], or null. */
  norms: { q: Tensor; k: Tensor; both: Tensor; eps: number } | null;
  /** (cos, sin) [rows, dim / 2, 2], or null: no rotary. */
  angles: Tensor | null;
  /** [rows, 4]: first entry in tables, number of keys, where the row's own key and value go, 0. */
  place: Tensor;
  /** Blocks of `block` places. */
  tables: Tensor;
  block: number;
  /** [n, 2]: first row and rows of runs of at most 16 rows that share a table and see ever more keys. */
  tiles?: Tensor;
  /** Every row is the newest token of a sequence of its own, of at most this many keys; 0: it is not so. */
  decodeKeys?: number;
  /** qkv holds turned q, and the rows' keys and values are in the store already (`projectQkv`). */
  stored?: boolean;
  /** Holds the parts of a split context. */
  work?: Workspace;
}

const QKV_WG = 8;

/**
 * Few rows' projections, norms, rotary and cache entries in one dispatch; a.qkv then holds q as `attend` with `stored`
 * wants it. False: no kernel does it for these shapes here, nothing was done.
 */
export function projectQkv(
  pass: Pass,
  norm: FusedNorm,
  layer: Linear,
  x: Tensor,
  a: AttentionInput,
  kv: KeyValues,
): boolean {
  const { dim, heads, kvHeads, angles, norms, place } = a;
  const quads = dim / 4 / QKV_WG;
  if (kv.kind !== "texture" || angles === null || ![2, 4, 8].includes(quads)) return false;
  const product = texelProduct(pass, layer, x);
  if (product === null) return false;
  const out = { out_stride: a.qkv.stride / 4, heads, kv_heads: kvHeads };
  pass.run(
    qkvMatvecTexture,
    {
      ...product.buffers,
      norm: norm.weight,
      angles,
      head_norms: norms?.both ?? norm.weight,
      place,
      out: a.qkv,
      k_cache: kv.k,
      v_cache: kv.v,
    },
    { ...product.shape, ...out, eps: norm.eps, head_eps: norms?.eps ?? 0 },
    {
      WG: QKV_WG,
      FORMAT: product.FORMAT,
      QUADS: quads,
      HEAD_NORM: norms ? 1 : 0,
      KV: KV_CODE[kv.precision],
    },
  );
  return true;
}

/** Keys of one split of a long context, and context from which on it is split. */
export const SPLIT_KEYS = 1024;

/** Writes the rows' keys and values, then out [rows, heads · dim] = attention over each row's extent. */
export function attend(pass: Pass, a: AttentionInput, kv: KeyValues, out: Tensor): void {
  // Of a step's rows: what one gives may not depend on how many there are.
  const invariant = pass.runtime.batchInvariant && a.decodeKeys !== undefined;
  if (kv.kind === "buffer" && a.decodeKeys && a.work && fitsDecode(a) && !invariant) {
    decode(pass, a, kv, a.decodeKeys, a.work, out);
    return;
  }
  const { profile } = pass.runtime;
  if (
    kv.kind === "buffer" && profile.attention === "tiled" && a.tiles && fitsTiles(pass, a, out) && !invariant
  ) {
    turnAndStore(pass, a, kv, out);
    attendTiles(pass, a, a.tiles, kv, out);
    return;
  }
  const slices = [...rowSlices(pass.runtime.gpu, a.qkv.rows, a.qkv.stride, out.stride)];
  const views = slices.map(([first, count]) => ({
    input: {
      ...a,
      qkv: rowsOf(a.qkv, first, count),
      angles: a.angles && hostRows(a.angles, first, count, a.dim),
      place: hostRows(a.place, first, count, 4),
    },
    out: rowsOf(out, first, count),
  }));
  if (!a.stored) { for (const v of views) turnAndStore(pass, v.input, kv, v.out); }
  for (const v of views) attendRows(pass, v.input, kv, v.out, invariant);
}

/** Rows of one tile. */
export const TILE_ROWS = 16;

/** Tiles refer to rows of the whole, so the whole must be bound at once. */
const fitsTiles = (pass: Pass, { qkv, dim }: AttentionInput, out: Tensor): boolean =>
  dim <= 128 && dim % 4 === 0 &&
  [...rowSlices(pass.runtime.gpu, qkv.rows, qkv.stride, out.stride)].length === 1;

function attendTiles(
  pass: Pass,
  a: AttentionInput,
  tiles: Tensor,
  kv: KeyValues & { kind: "buffer" },
  out: Tensor,
): void {
  const { qkv, heads, kvHeads, dim, place, tables, block } = a;
  pass.run(attentionTiled, { q: qkv, k_cache: kv.k, v_cache: kv.v, place, tables, tiles, out }, {
    tiles: tiles.rows,
    heads,
    kv_heads: kvHeads,
    dim,
    q_stride: qkv.stride,
    out_stride: out.stride,
    block,
    scale: 1 / Math.sqrt(dim),
  }, { KV: KV_CODE[kv.precision] });
}

/** Runs of neighbouring rows cut into tiles: [n, 2] words, from the number of rows of each run. */
export function tilesOf(runs: number[]): Uint32Array<ArrayBuffer> {
  const out: number[] = [];
  let row = 0;
  for (const run of runs) {
    for (let at = 0; at < run; at += TILE_ROWS) out.push(row + at, Math.min(TILE_ROWS, run - at));
    row += run;
  }
  return Uint32Array.from(out);
}

const DECODE_WG = 64;

const fitsDecode = ({ heads, kvHeads, dim, angles }: AttentionInput): boolean =>
  angles !== null && heads / kvHeads <= 8 && dim <= 4 * DECODE_WG && heads / kvHeads * dim <= 1024;

/** One dispatch from raw projections to attention (two where the context is split). */
function decode(
  pass: Pass,
  a: AttentionInput,
  kv: KeyValues & { kind: "buffer" },
  keys: number,
  work: Workspace,
  out: Tensor,
): void {
  const { qkv, heads, kvHeads, dim, norms, place, tables, block } = a;
  const rows = qkv.rows;
  const splits = Math.ceil(keys / SPLIT_KEYS);
  const to = splits === 1 ? out : work.get("attention parts", rows, splits * heads * (dim + 8));
  const angles = a.angles ?? place;
  const buffers = {
    qkv,
    angles,
    norms: norms?.both ?? place,
    place,
    tables,
    k_cache: kv.k,
    v_cache: kv.v,
    out: to,
  };
  pass.run(attentionDecode, buffers, {
    rows,
    heads,
    kv_heads: kvHeads,
    dim,
    stride: qkv.stride,
    out_stride: to.stride,
    block,
    splits,
    split_keys: splits === 1 ? pad(keys, 4096) : SPLIT_KEYS,
    eps: norms?.eps ?? 0,
    scale: 1 / Math.sqrt(dim),
  }, { WG: DECODE_WG, GROUP: heads / kvHeads, NORM: norms ? 1 : 0, KV: KV_CODE[kv.precision] });
  if (splits === 1) return;
  const shape = { rows, heads, dim, splits, part_stride: to.stride, out_stride: out.stride };
  pass.run(attentionMerge, { part: to, out }, shape);
}

/** Norms and rotary on q and k; k and v into the store. `unused` stands for bindings that an override switches off. */
function turnAndStore(pass: Pass, a: AttentionInput, kv: KeyValues, unused: Tensor): void {
  const { qkv, heads, kvHeads, dim, norms, place } = a;
  const buffers = {
    angles: a.angles ?? place,
    q_norm: norms?.q ?? unused,
    k_norm: norms?.k ?? unused,
    place,
    qkv,
  };
  const shape = { rows: qkv.rows, heads, kv_heads: kvHeads, dim, eps: norms?.eps ?? 0 };
  const constants = { NORM: norms ? 1 : 0, ROPE: a.angles ? 1 : 0, KV: KV_CODE[kv.precision] };
  if (kv.kind === "texture") {
    const stores = { k_cache: kv.k, v_cache: kv.v };
    pass.run(qkvRopeTexture, { ...buffers, ...stores }, { ...shape, stride: qkv.stride / 4 }, constants);
  } else {
    const stores = { k_cache: kv.k, v_cache: kv.v };
    pass.run(qkvRope, { ...buffers, ...stores }, { ...shape, stride: qkv.stride }, constants);
  }
}

/** Queries of several rows from which on a lane takes one each; fewer share their keys out over the lanes. */
const MANY_QUERIES = 32;

/** Query heads of one kv head that the kernel takes together. */
const headsTogether = (group: number): number => [4, 3, 2].find((n) => group % n === 0) ?? 1;

function attendRows(pass: Pass, a: AttentionInput, kv: KeyValues, out: Tensor, invariant: boolean): void {
  const { qkv, heads, kvHeads, dim, place, tables, block } = a;
  const shape = { rows: qkv.rows, heads, kv_heads: kvHeads, dim, block, scale: 1 / Math.sqrt(dim) };
  const KV = KV_CODE[kv.precision];
  if (kv.kind === "texture") {
    const buffers = { q: qkv, k_cache: kv.k, v_cache: kv.v, place, tables, out };
    const strides = { q_stride: qkv.stride / 4, out_stride: out.stride / 4 };
    const HEADS = headsTogether(heads / kvHeads);
    const EACH = !invariant && qkv.rows > 1 && qkv.rows * heads >= MANY_QUERIES ? 1 : 0;
    pass.run(attentionTexture, buffers, { ...shape, ...strides }, { KV, EACH, HEADS, QUADS: dim / 4 });
  } else {
    const buffers = { q: qkv, k_cache: kv.k, v_cache: kv.v, place, tables, out };
    pass.run(attentionPaged, buffers, { ...shape, q_stride: qkv.stride, out_stride: out.stride }, { KV });
  }
}
