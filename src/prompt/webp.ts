/**
 * WebP: RIFF walk (size, frames, orientation, completeness), then libwebp in wasm (@jsquash/webp). An animation
 * gives its first frame on the canvas.
 */

import wasm from "@jsquash/webp/codec/dec/webp_dec.wasm" with { type: "bytes" };
import libwebp from "@jsquash/webp/codec/dec/webp_dec.js";
import { exifOrientation } from "./exif.ts";
import { checkSize, corruptImage } from "./image_errors.ts";
import type { Pixels } from "./pixels.ts";
import { WasmCodec } from "./wasm_codec.ts";

const VP8 = 0x56503820,
  VP8L = 0x5650384C,
  VP8X = 0x56503858,
  ANMF = 0x414E4D46,
  EXIF = 0x45584946,
  ALPH = 0x414C5048;

export const isWebp = (bytes: Uint8Array): boolean =>
  bytes.length >= 12 && fourcc(bytes, 0) === 0x52494646 && fourcc(bytes, 8) === 0x57454250;

interface Chunk {
  id: number;
  /** With header and padding. */
  whole: Uint8Array;
  body: Uint8Array;
}

const codec = new WasmCodec<{ decode(bytes: ArrayBuffer): ImageData | null }>(libwebp, wasm);

/** Throws PromptError. Orientation is told, not applied. */
export async function decodeWebp(bytes: Uint8Array): Promise<Pixels & { orientation: number }> {
  const riff = little32(bytes, 4) + 8;
  if (riff > bytes.length) throw corruptImage();
  const chunks = [...readChunks(bytes.subarray(12, riff))];
  const head = chunks[0];
  if (head === undefined) throw corruptImage();
  const [width, height] = head.id === VP8X ? canvasSize(head.body) : bitstreamSize(head);
  const frames = chunks.filter((chunk) => chunk.id === ANMF);
  checkSize(width, height, Math.max(1, frames.length));
  const exif = chunks.find((chunk) => chunk.id === EXIF);
  const orientation = exif === undefined ? 1 : exifOrientation(withoutPrefix(exif.body));
  if (frames.length === 0) {
    const inner = chunks.find((chunk) => chunk.id === VP8 || chunk.id === VP8L);
    if (inner === undefined) throw corruptImage();
    const [w, h] = bitstreamSize(inner);
    if (w !== width || h !== height) throw corruptImage();
    return { ...await decodeStill(bytes, width, height), orientation };
  }
  return { ...await firstFrame(frames[0].body, width, height), orientation };
}

async function decodeStill(bytes: Uint8Array, width: number, height: number): Promise<Pixels> {
  const image = await codec.run((module) => module.decode(bytes.slice().buffer));
  if (image === null || image.width !== width || image.height !== height) throw corruptImage();
  return { width, height, rgba: new Uint8Array(image.data.buffer) };
}

/** Repacks the frame's chunks as a still file, decodes it and puts it on the clear canvas. */
async function firstFrame(frame: Uint8Array, width: number, height: number): Promise<Pixels> {
  if (frame.length < 16) throw corruptImage();
  const [left, top] = [2 * little24(frame, 0), 2 * little24(frame, 3)];
  const [w, h] = [1 + little24(frame, 6), 1 + little24(frame, 9)];
  if (left + w > width || top + h > height) throw corruptImage();
  const inner = [...readChunks(frame.subarray(16))].filter(({ id }) =>
    id === ALPH || id === VP8 || id === VP8L
  );
  const bitstream = inner.find(({ id }) => id !== ALPH);
  if (bitstream === undefined) throw corruptImage();
  const [bw, bh] = bitstreamSize(bitstream);
  if (bw !== w || bh !== h) throw corruptImage();
  const still = await decodeStill(stillFile(inner.map((chunk) => chunk.whole), w, h), w, h);
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < h; y++) {
    rgba.set(still.rgba.subarray(y * w * 4, (y + 1) * w * 4), ((top + y) * width + left) * 4);
  }
  return { width, height, rgba };
}

/** RIFF file of a VP8X header that declares alpha, and the given chunks. */
function stillFile(chunks: Uint8Array[], width: number, height: number): Uint8Array {
  const size = 4 + 18 + chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const file = new Uint8Array(8 + size);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x52494646), view.setUint32(4, size, true), view.setUint32(8, 0x57454250);
  view.setUint32(12, VP8X), view.setUint32(16, 10, true), view.setUint8(20, 0x10);
  for (let i = 0; i < 3; i++) {
    file[24 + i] = (width - 1) >> (8 * i), file[27 + i] = (height - 1) >> (8 * i);
  }
  let at = 30;
  for (const chunk of chunks) {
    file.set(chunk, at);
    at += chunk.length;
  }
  return file;
}

function* readChunks(bytes: Uint8Array): Generator<Chunk> {
  for (let at = 0; at + 8 <= bytes.length;) {
    const size = little32(bytes, at + 4);
    const end = at + 8 + size + (size & 1);
    if (at + 8 + size > bytes.length) throw corruptImage();
    yield {
      id: fourcc(bytes, at),
      whole: bytes.subarray(at, end),
      body: bytes.subarray(at + 8, at + 8 + size),
    };
    at = end;
  }
}

function canvasSize(body: Uint8Array): [number, number] {
  if (body.length < 10) throw corruptImage();
  return [1 + little24(body, 4), 1 + little24(body, 7)];
}

/** Size that a VP8 or VP8L bitstream itself declares. */
function bitstreamSize({ id, body }: Chunk): [number, number] {
  if (id === VP8 && body.length >= 10 && body[3] === 0x9D && body[4] === 0x01 && body[5] === 0x2A) {
    return [(body[6] | body[7] << 8) & 0x3FFF, (body[8] | body[9] << 8) & 0x3FFF];
  }
  if (id === VP8L && body.length >= 5 && body[0] === 0x2F) {
    const bits = little32(body, 1);
    return [1 + (bits & 0x3FFF), 1 + ((bits >>> 14) & 0x3FFF)];
  }
  throw corruptImage();
}

/** Some writers put JPEG's "Exif\0\0" before the block. */
const withoutPrefix = (body: Uint8Array): Uint8Array =>
  body[0] === 0x45 && body[1] === 0x78 && body[2] === 0x69 ? body.subarray(6) : body;

const little24 = (bytes: Uint8Array, at: number): number =>
  bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
const little32 = (bytes: Uint8Array, at: number): number => (little24(bytes, at) | bytes[at + 3] << 24) >>> 0;
const fourcc = (bytes: Uint8Array, at: number): number =>
  (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
