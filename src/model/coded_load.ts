/** Tensors in codes (int4, int8): their quads go to the device as they lie on disk, or become float32 on the host. */
import { fromHalf } from "../gpu/safetensors.ts";
import { PIECE, type Sink } from "../gpu/upload.ts";
import type { Checkpoint, Coded } from "./checkpoint.ts";
import { wordsOf } from "./linear.ts";
import type { LinearSpec } from "./linear_spec.ts";

/** @throws Error naming the tensor whose shape is not [n, k], or whose rows do not fill quads where others follow */
export function checkCoded(checkpoint: Checkpoint, { name, k, sources }: LinearSpec): void {
  sources.forEach((source, i) => {
    if (source.n % 4 !== 0 && i < sources.length - 1) {
      throw new Error(`Cannot load ${name}: ${source.n} rows of ${source.name} cannot be taken by fours`);
    }
    const coded = checkpoint.coded(source.name)!;
    const quads = Math.ceil(source.n / 4);
    const check = (part: string, wanted: number[]) => {
      const { shape } = checkpoint.info(part);
      if (shape.join() !== wanted.join()) {
        throw new Error(`Cannot load ${part}: it is [${shape}], [${wanted}] was expected`);
      }
    };
    check(`${source.name}.${coded}`, [quads, wordsOf(coded, k), 4]);
    check(`${source.name}.scale_min`, [quads, Math.ceil(k / 32), 4, 2]);
  });
}

/** One stored tensor as a stream of quads for the device. */
interface Quads {
  name: string;
  /** int4 codes that become bytes on the way: each 16 stored bytes give 32. */
  widen: boolean;
}

/** Quads of codes of layer rows [from, from + count), `from` a multiple of 64, in the layer's order and format. */
export function copyCodes(
  checkpoint: Checkpoint,
  spec: LinearSpec,
  format: Coded,
  from: number,
  count: number,
  sink: Sink,
): void {
  const parts = spec.sources.map(({ name }): Quads => {
    const coded = checkpoint.coded(name)!;
    return { name: `${name}.${coded}`, widen: coded !== format };
  });
  copyQuads(checkpoint, spec, parts, 16 * wordsOf(format, spec.k), from, count, sink);
}

/** The same of the scales and minima. */
export function copyScales(
  checkpoint: Checkpoint,
  spec: LinearSpec,
  from: number,
  count: number,
  sink: Sink,
): void {
  const parts = spec.sources.map(({ name }): Quads => ({ name: `${name}.scale_min`, widen: false }));
  copyQuads(checkpoint, spec, parts, 16 * Math.ceil(spec.k / 32), from, count, sink);
}

/** @param quad bytes of one quad on the device */
function copyQuads(
  checkpoint: Checkpoint,
  { sources, interleave }: LinearSpec,
  parts: Quads[],
  quad: number,
  from: number,
  count: number,
  sink: Sink,
): void {
  if (interleave) return takeTurns(checkpoint, parts, quad, from / 8, count / 8, sink);
  let start = 0;
  sources.forEach(({ n }, i) => {
    const lo = Math.max(from, start), hi = Math.min(from + count, start + n);
    start += n;
    if (hi <= lo) return;
    const end = Math.ceil((hi - start + n) / 4) * quad;
    for (let at = (lo - start + n) / 4 * quad; at < end;) {
      const room = sink.room < 32 ? PIECE : sink.room;
      const length = Math.min(end - at, room - room % 32);
      read(checkpoint, parts[i], at, sink.take(length));
      at += length;
    }
  });
}

/** Quads [first, first + count) of each of two tensors, taken in turn. */
function takeTurns(
  checkpoint: Checkpoint,
  parts: Quads[],
  quad: number,
  first: number,
  count: number,
  sink: Sink,
): void {
  const most = Math.max(1, Math.floor(PIECE / 2 / quad));
  for (let at = 0; at < count; at += most) {
    const some = Math.min(most, count - at);
    const out = sink.take(2 * some * quad);
    parts.forEach((part, which) => {
      const piece = checkpoint.scratch(1, PIECE / 2).subarray(0, some * quad);
      read(checkpoint, part, (first + at) * quad, piece);
      for (let q = 0; q < some; q++) {
        out.set(piece.subarray(q * quad, (q + 1) * quad), (2 * q + which) * quad);
      }
    });
  }
}

/** Fills `into` with what the device holds from byte `at` on (multiples of 32 where codes are widened). */
function read(
  checkpoint: Checkpoint,
  { name, widen }: Quads,
  at: number,
  into: Uint8Array<ArrayBuffer>,
): void {
  if (!widen) return checkpoint.readInto(name, at, into);
  const stored = checkpoint.scratch(2, PIECE / 2).subarray(0, into.length / 2);
  checkpoint.readInto(name, at / 2, stored);
  const nibbles = new Uint32Array(stored.buffer, stored.byteOffset, stored.length / 4);
  const bytes = new Uint32Array(into.buffer, into.byteOffset, into.length / 4);
  for (let i = 0; i < nibbles.length; i++) {
    const to = (i & ~3) * 2 + (i & 3);
    bytes[to] = nibbles[i] & 0x0f0f0f0f;
    bytes[to + 4] = (nibbles[i] >>> 4) & 0x0f0f0f0f;
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
  const coded = checkpoint.coded(name)!;
  const words = wordsOf(coded, k), groups = Math.ceil(k / 32);
  const quad = first >> 2, quads = Math.ceil((first + count) / 4) - quad;
  const q = new Uint32Array(checkpoint.rows(`${name}.${coded}`, quad, quads).buffer);
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
        const code = coded === "int8"
          ? (q[wordsAt + 4 * (i >> 2)] >>> (8 * (i & 3))) & 255
          : (q[wordsAt + 4 * (i >> 3)] >>> (lane < 4 ? 8 * lane : 8 * lane - 28)) & 15;
        out[r * k + i] = scale * code + minimum;
      }
    }
  }
  return out;
}
