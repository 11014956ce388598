/** GIF: the first picture on its canvas (what lies outside it, or is marked clear, has alpha 0). */

import { checkSize, corruptImage } from "./image_errors.ts";
import type { Pixels } from "./pixels.ts";

export const isGif = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x47 && bytes[1] === 0x49 && bytes[2] === 0x46 && bytes[3] === 0x38;

interface GifFrame {
  left: number;
  top: number;
  width: number;
  height: number;
  interlaced: boolean;
  palette: Uint8Array;
  /** Palette index that is clear, or −1. */
  clear: number;
  codeSize: number;
  /** Offset of the first sub-block. */
  data: number;
}

/** Throws PromptError. All frames are counted against the size limits before the first is decoded. */
export function decodeGif(bytes: Uint8Array): Pixels {
  if (bytes.length < 13) throw corruptImage();
  const [width, height] = [bytes[6] | bytes[7] << 8, bytes[8] | bytes[9] << 8];
  checkSize(width, height);
  const frame = scan(bytes, width, height);
  const indices = lzw(bytes, frame);
  const rgba = new Uint8Array(width * height * 4);
  const rows = frame.interlaced ? interlacedRows(frame.height) : null;
  for (let y = 0, from = 0; y < frame.height; y++) {
    const row = frame.top + (rows === null ? y : rows[y]);
    for (let x = 0; x < frame.width; x++, from++) {
      const column = frame.left + x, index = indices[from];
      if (row >= height || column >= width || index === frame.clear) continue;
      const to = (row * width + column) * 4;
      rgba[to] = frame.palette[index * 3];
      rgba[to + 1] = frame.palette[index * 3 + 1];
      rgba[to + 2] = frame.palette[index * 3 + 2];
      rgba[to + 3] = 255;
    }
  }
  return { width, height, rgba };
}

/** Walks all blocks: counts frames, and reads the first one's header. */
function scan(bytes: Uint8Array, width: number, height: number): GifFrame {
  let at = 13;
  let global: Uint8Array | null = null;
  if (bytes[10] & 0x80) [global, at] = table(bytes, at, bytes[10] & 7);
  let first: GifFrame | null = null;
  let frames = 0, clear = -1;
  while (at < bytes.length) {
    const kind = bytes[at++];
    if (kind === 0x3B) break; // trailer
    if (kind === 0x21) { // extension
      if (bytes[at] === 0xF9 && bytes[at + 1] >= 4) clear = bytes[at + 2] & 1 ? bytes[at + 5] : -1;
      at = skipBlocks(bytes, at + 1);
      continue;
    }
    if (kind !== 0x2C || at + 9 > bytes.length) throw corruptImage();
    const word = (i: number): number => bytes[at + i] | bytes[at + i + 1] << 8;
    const [left, top, w, h] = [word(0), word(2), word(4), word(6)];
    const flags = bytes[at + 8];
    checkSize(Math.max(width, w), Math.max(height, h), ++frames);
    at += 9;
    let palette = global;
    if (flags & 0x80) [palette, at] = table(bytes, at, flags & 7);
    const codeSize = bytes[at++];
    if (first === null) {
      if (palette === null || !(codeSize >= 1 && codeSize <= 11)) throw corruptImage();
      const interlaced = (flags & 0x40) !== 0;
      first = { left, top, width: w, height: h, interlaced, palette, clear, codeSize, data: at };
    }
    at = skipBlocks(bytes, at);
    clear = -1;
  }
  if (first === null) throw corruptImage();
  return first;
}

/** A colour table as 256 RGB entries (those not given are black) and the offset behind it. */
function table(bytes: Uint8Array, at: number, sizeBits: number): [Uint8Array, number] {
  const end = at + 3 * (2 << sizeBits);
  if (end > bytes.length) throw corruptImage();
  const palette = new Uint8Array(4096 * 3);
  palette.set(bytes.subarray(at, end));
  return [palette, end];
}

function skipBlocks(bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const size = bytes[at];
    at += size + 1;
    if (size === 0) return at;
  }
  throw corruptImage();
}

/** Palette indices of the frame; output stops at its size. */
function lzw(bytes: Uint8Array, { codeSize, data, width, height }: GifFrame): Uint16Array {
  const out = new Uint16Array(width * height);
  const prefix = new Int32Array(4096), suffix = new Uint16Array(4096), length = new Int32Array(4096);
  const clearCode = 1 << codeSize, endCode = clearCode + 1;
  for (let i = 0; i < clearCode; i++) suffix[i] = i, length[i] = 1, prefix[i] = -1;
  let next = endCode + 1, bits = codeSize + 1, previous = -1;
  let buffer = 0, have = 0, at = data, left = 0, written = 0;
  while (written < out.length) {
    while (have < bits) {
      if (left === 0) {
        left = bytes[at++];
        if (left === 0 || left === undefined) throw corruptImage();
      }
      if (at >= bytes.length) throw corruptImage();
      buffer |= bytes[at++] << have;
      have += 8, left--;
    }
    const code = buffer & ((1 << bits) - 1);
    buffer >>>= bits, have -= bits;
    if (code === clearCode) {
      next = endCode + 1, bits = codeSize + 1, previous = -1;
      continue;
    }
    if (code === endCode) break;
    if (code > next || (code === next && previous < 0) || (code > endCode && code >= next && previous < 0)) {
      throw corruptImage();
    }
    // A code that is not in the table yet is the previous string and its own first index.
    const known = code < next && code !== endCode;
    let end = written + (known ? length[code] : length[previous] + 1);
    const stop = end;
    if (!known) end--;
    let from = known ? code : previous;
    let head = 0;
    for (let to = end - 1; from >= 0 && to >= written; to--, from = prefix[from]) {
      head = suffix[from];
      if (to < out.length) out[to] = head;
    }
    if (!known && stop - 1 < out.length) out[stop - 1] = head;
    written = stop;
    if (previous >= 0 && next < 4096) {
      prefix[next] = previous, suffix[next] = head, length[next] = length[previous] + 1;
      next++;
      if (next === 1 << bits && bits < 12) bits++;
    }
    previous = code;
  }
  if (written < out.length) throw corruptImage();
  return out;
}

/** Rows in the order in which an interlaced frame stores them. */
function interlacedRows(height: number): number[] {
  const rows: number[] = [];
  for (const [start, step] of [[0, 8], [4, 8], [2, 4], [1, 2]]) {
    for (let y = start; y < height; y += step) rows.push(y);
  }
  return rows;
}
