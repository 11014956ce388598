/**
 * Blocks of GGUF's types: Q4_0, Q4_1 and Q4_K have groups of 32 codes with a scale and a minimum as int4 has, Q8_0 as
 * int8 has, and keep their codes; the others become float32. Layouts: ggml-quants.c (github.com/ggml-org/ggml).
 */
import { toFloat32 } from "../gpu/safetensors.ts";
import { GGUF_TYPES, type GgufType } from "./gguf.ts";
import { HALF_MAX, halfBits, HALVES } from "./half.ts";
import { type Bits, type CodedTensor, emptyCoded, GROUP, QuantiseError } from "./quantise.ts";
import { putGroup } from "./quantise8.ts";

export type CodedType = "Q4_0" | "Q4_1" | "Q4_K";

/** In how many bits a type's codes are kept; null: it has no codes of ours. */
export const codedBits = (type: GgufType): Bits | null =>
  type === "Q8_0" ? 8 : type === "Q4_0" || type === "Q4_1" || type === "Q4_K" ? 4 : null;

/** Rows of Q8_0 blocks → int8 without loss. @throws QuantiseError where a scale is not finite */
export function int8OfBlocks(bytes: Uint8Array, rows: number, k: number): CodedTensor {
  const out = emptyCoded(rows, k, 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const block = GGUF_TYPES.Q8_0.bytes, groups = k / GROUP;
  const codes = new Uint8Array(GROUP);
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      const at = (r * groups + g) * block;
      const scale = view.getUint16(at, true), minimum = -128 * HALVES[scale];
      if (!(Math.abs(minimum) <= HALF_MAX)) throw new QuantiseError(r);
      for (let i = 0; i < GROUP; i++) codes[i] = bytes[at + 2 + i] ^ 0x80;
      putGroup(out, codes, scale | (halfBits(minimum) << 16), r, g, k);
    }
  }
  return out;
}

/**
 * Rows of blocks → int4 with the same codes. Q4_0 and Q4_1 without loss; Q4_K's scales and minima are products, rounded
 * to half precision here.
 * @throws QuantiseError where a scale is not finite
 */
export function int4OfBlocks(type: CodedType, bytes: Uint8Array, rows: number, k: number): CodedTensor {
  const out = emptyCoded(rows, k);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const block = GGUF_TYPES[type];
  const groups = k / GROUP, words = k / 8;
  const half = (at: number) => HALVES[view.getUint16(at, true)];
  for (let r = 0; r < rows; r++) {
    const wordsAt = (r >> 2) * words * 4 + (r & 3), scalesAt = (r >> 2) * groups * 4 + (r & 3);
    for (let g = 0; g < groups; g++) {
      const inBlock = g * GROUP % block.values / GROUP;
      const at = (r * k + g * GROUP - inBlock * GROUP) / block.values * block.bytes;
      let scale = half(at), minimum: number, codes: number;
      if (type === "Q4_0") {
        minimum = -8 * scale;
        codes = at + 2;
      } else if (type === "Q4_1") {
        minimum = half(at + 2);
        codes = at + 4;
      } else {
        minimum = -half(at + 2) * minimumOf(bytes, at + 4, inBlock);
        scale *= scaleOf(bytes, at + 4, inBlock);
        codes = at + 16 + 32 * (inBlock >> 1);
      }
      const finite = Math.abs(scale) <= HALF_MAX && Math.abs(minimum) <= HALF_MAX;
      if (!finite) throw new QuantiseError(r);
      out.scales[scalesAt + 4 * g] = halfBits(scale) | (halfBits(minimum) << 16);
      for (let j = 0; j < 4; j++) {
        // Q4_0, Q4_1: 16 bytes, the high nibbles are values 16 … 31. Q4_K: 32 bytes shared by two groups.
        const from = codes + 8 * (type === "Q4_K" ? j : j & 1);
        const high = type === "Q4_K" ? inBlock & 1 : j >> 1;
        const a = view.getUint32(from, true), b = view.getUint32(from + 4, true);
        out.words[wordsAt + 4 * (4 * g + j)] = high
          ? ((a >>> 4) & 0x0f0f0f0f) | (b & 0xf0f0f0f0)
          : (a & 0x0f0f0f0f) | ((b & 0x0f0f0f0f) << 4);
      }
    }
  }
  return out;
}

/** The j-th 6-bit scale of a K block's twelve bytes, and its minimum. */
const scaleOf = (b: Uint8Array, at: number, j: number): number =>
  j < 4 ? b[at + j] & 63 : (b[at + j + 4] & 15) | ((b[at + j - 4] >> 6) << 4);
const minimumOf = (b: Uint8Array, at: number, j: number): number =>
  j < 4 ? b[at + j + 4] & 63 : (b[at + j + 4] >> 4) | ((b[at + j] >> 6) << 4);

/** Blocks → float32, value by value as ggml computes them. */
export function floatsOfBlocks(type: GgufType, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  if (type === "F32" || type === "F16" || type === "BF16") return toFloat32(bytes, type);
  const block = GGUF_TYPES[type];
  const count = bytes.length / block.bytes;
  const out = new Float32Array(count * block.values);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const half = (at: number) => HALVES[view.getUint16(at, true)];
  for (let i = 0; i < count; i++) {
    const at = i * block.bytes, to = i * block.values;
    switch (type) {
      case "Q8_0": {
        const d = half(at);
        for (let j = 0; j < 32; j++) out[to + j] = d * view.getInt8(at + 2 + j);
        break;
      }
      case "Q4_0":
      case "Q4_1": {
        const d = half(at), m = type === "Q4_0" ? -8 * d : half(at + 2);
        const codes = at + (type === "Q4_0" ? 2 : 4);
        for (let j = 0; j < 16; j++) {
          out[to + j] = d * (bytes[codes + j] & 15) + m;
          out[to + j + 16] = d * (bytes[codes + j] >> 4) + m;
        }
        break;
      }
      case "Q5_0":
      case "Q5_1": {
        const d = half(at), m = type === "Q5_0" ? -16 * d : half(at + 2);
        const highAt = at + (type === "Q5_0" ? 2 : 4);
        const high = view.getUint32(highAt, true);
        for (let j = 0; j < 16; j++) {
          const code = bytes[highAt + 4 + j];
          out[to + j] = d * ((code & 15) | (((high >>> j) & 1) << 4)) + m;
          out[to + j + 16] = d * ((code >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m;
        }
        break;
      }
      case "Q4_K":
      case "Q5_K":
        k45(type, bytes, at, half(at), half(at + 2), out, to);
        break;
      case "Q6_K":
        k6(bytes, view, at, half(at + 208), out, to);
    }
  }
  return out;
}

function k45(
  type: "Q4_K" | "Q5_K",
  bytes: Uint8Array,
  at: number,
  d: number,
  least: number,
  out: Float32Array,
  to: number,
): void {
  const codes = at + (type === "Q4_K" ? 16 : 48);
  for (let group = 0; group < 8; group++) {
    const scale = Math.fround(d * scaleOf(bytes, at + 4, group));
    const minimum = Math.fround(least * minimumOf(bytes, at + 4, group));
    for (let l = 0; l < 32; l++) {
      const code = bytes[codes + 32 * (group >> 1) + l];
      const high = type === "Q5_K" ? ((bytes[at + 16 + l] >> group) & 1) << 4 : 0;
      out[to + 32 * group + l] = scale * ((group & 1 ? code >> 4 : code & 15) | high) - minimum;
    }
  }
}

function k6(bytes: Uint8Array, view: DataView, at: number, d: number, out: Float32Array, to: number): void {
  for (let part = 0; part < 2; part++) {
    const low = at + 64 * part, high = at + 128 + 32 * part, scales = at + 192 + 8 * part;
    for (let l = 0; l < 32; l++) {
      for (let q = 0; q < 4; q++) {
        const nibbles = bytes[low + l + 32 * (q & 1)];
        const code = (q < 2 ? nibbles & 15 : nibbles >> 4) | (((bytes[high + l] >> (2 * q)) & 3) << 4);
        const scale = Math.fround(d * view.getInt8(scales + (l >> 4) + 2 * q));
        out[to + 128 * part + 32 * q + l] = scale * (code - 32);
      }
    }
  }
}
