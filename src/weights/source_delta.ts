/**
 * Weights published as differences to another checkpoint's (valley-13b-v1-delta to LLaMA's), which is added on the way.
 * As the authors' apply_delta.py: every tensor that the base has is added to the one of its name, rounded to the delta's
 * dtype; of the embedding and the head, which the delta has more rows of, the first rows; what the base lacks is whole.
 */
import { createHash } from "node:crypto";
import { toFloat32, toHalf } from "../gpu/safetensors.ts";
import { bytesOf } from "./file_piece.ts";
import { isRounded, type Values } from "./rounding.ts";
import { bitsOfTarget, type SourceTensor, type WeightSource } from "./source.ts";

/** Tensors of which the delta may have more rows. */
const GROWN = ["model.embed_tokens.weight", "lm_head.weight"];
/** Tables that old checkpoints hold and nobody loads. */
const UNUSED = /\.rotary_emb\.inv_freq$/;

type Dtype = Values["dtype"];

/**
 * Both sources are closed with the one that is returned.
 * @param base opened with a rule that keeps every tensor
 * @throws Error naming the tensor that does not fit
 */
export function addBase(delta: WeightSource, base: WeightSource): WeightSource {
  const tensors = new Map(base.files.flatMap((file) => file.tensors).map((t) => [t.name, t]));
  const present = new Set(delta.files.flatMap((file) => file.tensors).map(({ name }) => name));
  for (const name of tensors.keys()) {
    if (UNUSED.test(name)) tensors.delete(name);
    else if (!present.has(name)) throw new Error(`Cannot add the base: the delta has no tensor ${name}`);
  }
  const both = (key: "digest" | "stamp") =>
    createHash("sha256").update(`delta ${delta[key]} ${base[key]}`).digest("hex");
  return {
    ...delta,
    files: delta.files.map((file) => ({
      ...file,
      tensors: file.tensors.map((t) => {
        const other = tensors.get(t.name);
        return other ? summed(t, other) : t;
      }),
    })),
    digest: both("digest"),
    stamp: both("stamp"),
    close() {
      delta.close();
      base.close();
    },
  };
}

function summed(t: SourceTensor, base: SourceTensor): SourceTensor {
  const [rows = 1, ...width] = t.shape, [baseRows = 1, ...baseWidth] = base.shape;
  const fits = GROWN.includes(t.name) ? baseRows <= rows : baseRows === rows;
  if (`${width}` !== `${baseWidth}` || !fits) {
    throw new Error(`Cannot add the base: tensor ${t.name} is [${t.shape}], the base's [${base.shape}]`);
  }
  const sum = (from: number, count: number) => {
    const { dtype, bytes } = stored(t, from, count);
    const shared = Math.min(from + count, baseRows) - from;
    if (shared <= 0) return { dtype, bytes };
    const other = stored(base, from, shared);
    return { dtype, bytes: added(bytes, dtype, toFloat32(other.bytes, other.dtype)) };
  };
  return {
    ...t,
    slab: (from, count) => ({ kind: "plain", ...sum(from, count) }),
    raw: (from, count) => sum(from, count).bytes,
  };
}

/** Rows as published, whatever they are to become. */
function stored(
  t: SourceTensor,
  from: number,
  count: number,
): { dtype: Dtype; bytes: Uint8Array<ArrayBuffer> } {
  if (bitsOfTarget(t.target) !== null) {
    const input = t.slab(from, count);
    if (input.kind === "plain") return { dtype: input.dtype, bytes: bytesOf(input.bytes) };
  } else if (isRounded(t.target)) {
    return { dtype: t.target, bytes: t.raw(from, count) };
  }
  throw new Error(`Cannot add the base: tensor ${t.name} is stored as ${t.target}, not as bf16, f16 or f32`);
}

/** The first values plus `base`, rounded to the dtype as an addition in it is. */
function added(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype, base: Float32Array): Uint8Array<ArrayBuffer> {
  const values = toFloat32(bytes, dtype).slice();
  for (let i = 0; i < base.length; i++) values[i] += base[i];
  if (dtype === "F32") return new Uint8Array(values.buffer);
  return new Uint8Array(Uint16Array.from(values, dtype === "F16" ? toHalf : toBrain).buffer);
}

const scratch = new Float32Array(1), scratchBits = new Uint32Array(scratch.buffer);

/** Number → bfloat16 bits, to nearest even. */
function toBrain(value: number): number {
  scratch[0] = value;
  const [bits] = scratchBits;
  if ((bits & 0x7fffffff) > 0x7f800000) return bits >>> 16 | 0x40;
  return (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16;
}
