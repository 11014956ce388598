/** int4 tensors from a checkpoint: their quads go to the device as they lie on disk, or become float32 on the host. */
import { fromHalf } from "../gpu/safetensors.ts";
import { PIECE, type Upload } from "../gpu/upload.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { LinearSpec } from "./linear_spec.ts";

const SUFFIXES = [".int4", ".scale_min"] as const;

/** @throws Error naming the tensor whose shape is not [n, k], or whose rows do not fill quads where others follow */
export function checkInt4(checkpoint: Checkpoint, { name, k, sources }: LinearSpec): void {
  sources.forEach((source, i) => {
    if (source.n % 4 !== 0 && i < sources.length - 1) {
      throw new Error(`Cannot load ${name}: ${source.n} rows of ${source.name} cannot be taken by fours`);
    }
    const quads = Math.ceil(source.n / 4);
    const wanted = { ".int4": [quads, Math.ceil(k / 8), 4], ".scale_min": [quads, Math.ceil(k / 32), 4, 2] };
    for (const suffix of SUFFIXES) {
      const { shape } = checkpoint.info(source.name + suffix);
      if (shape.join() !== wanted[suffix].join()) {
        throw new Error(
          `Cannot load ${source.name}${suffix}: it is [${shape}], [${wanted[suffix]}] was expected`,
        );
      }
    }
  });
}

/**
 * Quads of layer rows [from, from + count), `from` a multiple of 64, in the layer's order.
 * @param quad bytes of one quad in this tensor
 */
export function copyInt4(
  checkpoint: Checkpoint,
  spec: LinearSpec,
  suffix: (typeof SUFFIXES)[number],
  quad: number,
  from: number,
  count: number,
  upload: Upload,
): void {
  const { sources } = spec;
  if (spec.interleave) {
    return interleave(checkpoint, sources.map((s) => s.name + suffix), quad, from / 8, count / 8, upload);
  }
  let start = 0;
  for (const source of sources) {
    const lo = Math.max(from, start), hi = Math.min(from + count, start + source.n);
    if (hi > lo) {
      let at = (lo - start) / 4 * quad;
      const end = Math.ceil((hi - start) / 4) * quad;
      while (at < end) {
        const length = Math.min(end - at, upload.room || PIECE);
        checkpoint.readInto(source.name + suffix, at, upload.take(length));
        at += length;
      }
    }
    start += source.n;
  }
}

/** Quads [first, first + count) of each of two tensors, taken in turn. */
function interleave(
  checkpoint: Checkpoint,
  names: string[],
  quad: number,
  first: number,
  count: number,
  upload: Upload,
): void {
  const most = Math.max(1, Math.floor(PIECE / 2 / quad));
  for (let at = 0; at < count; at += most) {
    const some = Math.min(most, count - at);
    const out = upload.take(2 * some * quad);
    names.forEach((name, which) => {
      const part = checkpoint.scratch(1, PIECE / 2).subarray(0, some * quad);
      checkpoint.readInto(name, (first + at) * quad, part);
      for (let q = 0; q < some; q++) {
        out.set(part.subarray(q * quad, (q + 1) * quad), (2 * q + which) * quad);
      }
    });
  }
}

/** Rows [first, first + count) as float32 [count, k]. */
export function dequantise(
  checkpoint: Checkpoint,
  name: string,
  first: number,
  count: number,
  k: number,
): Float32Array<ArrayBuffer> {
  const words = Math.ceil(k / 8), groups = Math.ceil(k / 32);
  const quad = first >> 2, quads = Math.ceil((first + count) / 4) - quad;
  const q = new Uint32Array(checkpoint.rows(`${name}.int4`, quad, quads).buffer);
  const s = new Uint32Array(checkpoint.rows(`${name}.scale_min`, quad, quads).buffer);
  const out = new Float32Array(count * k);
  for (let r = 0; r < count; r++) {
    const row = (first & 3) + r;
    const wordsAt = (row >> 2) * words * 4 + (row & 3), groupsAt = (row >> 2) * groups * 4 + (row & 3);
    for (let g = 0; g < groups; g++) {
      const pair = s[groupsAt + 4 * g];
      const scale = fromHalf(pair & 0xffff), minimum = fromHalf(pair >>> 16);
      for (let i = 32 * g; i < Math.min(k, 32 * g + 32); i++) {
        const lane = i & 7;
        const code = (q[wordsAt + 4 * (i >> 3)] >>> (lane < 4 ? 8 * lane : 8 * lane - 28)) & 15;
        out[r * k + i] = scale * code + minimum;
      }
    }
  }
  return out;
}
