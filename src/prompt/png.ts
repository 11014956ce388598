/** PNG: header probe and decoder (all colour types and depths, palette, tRNS, Adam7; 16 bits by the high byte). */

import { inflateSync } from "node:zlib";
import { joined } from "../common/joined.ts";
import { checkSize, corruptImage } from "./image_errors.ts";
import type { Pixels } from "./pixels.ts";
import { exifOrientation } from "./exif.ts";

interface PngHeader {
  width: number;
  height: number;
  depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA. */
  colour: number;
  interlaced: boolean;
  palette: Uint8Array | null;
  transparency: Uint8Array | null;
  orientation: number;
  data: Uint8Array[];
}

const SIGNATURE = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEPTHS: Record<number, number[]> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};
/** Adam7: [first column, first row, column step, row step] of the seven passes. */
const ADAM7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [
  0,
  1,
  1,
  2,
]];

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, i) => bytes[i] === byte);

/** Reads the chunks; the size is checked when the header is seen, before anything else is looked at. */
function readChunks(bytes: Uint8Array): PngHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: PngHeader | null = null;
  for (let at = 8; at + 12 <= bytes.length;) {
    const size = view.getUint32(at), type = view.getUint32(at + 4);
    if (at + 12 + size > bytes.length) throw corruptImage();
    const body = bytes.subarray(at + 8, at + 8 + size);
    if (header === null && type !== 0x49484452) throw corruptImage();
    switch (type) {
      case 0x49484452: // IHDR
        header = readHeader(body, view, at + 8);
        break;
      case 0x6163544C: // acTL: animated; the first picture is in IDAT
        if (size >= 4) checkSize(header!.width, header!.height, view.getUint32(at + 8));
        break;
      case 0x504C5445: // PLTE
        header!.palette = body;
        break;
      case 0x74524E53: // tRNS
        header!.transparency = body;
        break;
      case 0x65584966: // eXIf
        header!.orientation = exifOrientation(body);
        break;
      case 0x49444154: // IDAT
        header!.data.push(body);
        break;
      case 0x49454E44: // IEND
        return header!;
    }
    at += 12 + size;
  }
  throw corruptImage();
}

function readHeader(body: Uint8Array, view: DataView, at: number): PngHeader {
  if (body.length < 13) throw corruptImage();
  const width = view.getUint32(at), height = view.getUint32(at + 4);
  const [depth, colour, compression, filter, interlace] = body.subarray(8, 13);
  checkSize(width, height);
  if (!DEPTHS[colour]?.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1) {
    throw corruptImage();
  }
  const rest = { palette: null, transparency: null, orientation: 1, data: [] };
  return { width, height, depth, colour, interlaced: interlace === 1, ...rest };
}

/** Throws PromptError (`image_too_large`, `corrupt_image`). Inflating stops at the size that the header implies. */
export function decodePng(bytes: Uint8Array): Pixels & { orientation: number } {
  const png = readChunks(bytes);
  const { width, height, depth, colour } = png;
  if (colour === 3 && png.palette === null) throw corruptImage();
  const bits = CHANNELS[colour] * depth;
  const passes = (png.interlaced ? ADAM7 : [[0, 0, 1, 1]]).map(([x, y, dx, dy]) => {
    const w = Math.ceil((width - x) / dx), h = Math.ceil((height - y) / dy);
    return { x, y, dx, dy, w, h: w > 0 ? Math.max(0, h) : 0, row: Math.ceil(w * bits / 8) };
  });
  const expected = passes.reduce((sum, pass) => sum + pass.h * (pass.row + 1), 0);
  const raw = inflate(png.data, expected);
  const rgba = new Uint8Array(width * height * 4);
  let at = 0;
  for (const pass of passes) {
    if (pass.h === 0) continue;
    unfilter(raw, at, pass.row, pass.h, Math.max(1, bits >> 3));
    for (let row = 0; row < pass.h; row++) {
      const from = at + row * (pass.row + 1) + 1;
      const to = ((pass.y + row * pass.dy) * width + pass.x) * 4;
      unpackRow(raw, from, pass.w, png, rgba, to, pass.dx * 4);
    }
    at += pass.h * (pass.row + 1);
  }
  return { width, height, rgba, orientation: png.orientation };
}

function inflate(parts: Uint8Array[], expected: number): Uint8Array {
  try {
    const raw = inflateSync(parts.length === 1 ? parts[0] : joined(parts), { maxOutputLength: expected });
    if (raw.length === expected) return raw;
  } catch { /* more than expected, or damaged */ }
  throw corruptImage();
}

/** Undoes the row filters in place; each row is a filter byte and `row` bytes. */
function unfilter(raw: Uint8Array, start: number, row: number, rows: number, pixel: number): void {
  for (let y = 0; y < rows; y++) {
    const at = start + y * (row + 1) + 1;
    const above = y === 0 ? -1 : at - row - 1;
    const filter = raw[at - 1];
    if (filter > 4) throw corruptImage();
    if (filter === 0) continue;
    for (let i = 0; i < row; i++) {
      const left = i >= pixel ? raw[at + i - pixel] : 0;
      const up = above < 0 ? 0 : raw[above + i];
      let predicted: number;
      if (filter === 1) predicted = left;
      else if (filter === 2) predicted = up;
      else if (filter === 3) predicted = (left + up) >> 1;
      else {
        const corner = above < 0 || i < pixel ? 0 : raw[above + i - pixel];
        const p = left + up - corner;
        const dl = Math.abs(p - left), du = Math.abs(p - up), dc = Math.abs(p - corner);
        predicted = dl <= du && dl <= dc ? left : du <= dc ? up : corner;
      }
      raw[at + i] += predicted;
    }
  }
}

/** One row of `count` pixels to RGBA, each `step` bytes after the last. */
function unpackRow(
  raw: Uint8Array,
  from: number,
  count: number,
  { depth, colour, palette, transparency }: PngHeader,
  rgba: Uint8Array,
  to: number,
  step: number,
): void {
  const width = depth === 16 ? 2 : 1; // bytes a sample
  if (colour === 2 || colour === 6 || colour === 4) {
    const channels = CHANNELS[colour];
    const keyed = colour === 2 && transparency !== null && transparency.length >= 6 ? transparency : null;
    for (let i = 0; i < count; i++, from += channels * width, to += step) {
      rgba[to] = raw[from];
      rgba[to + 1] = raw[colour === 4 ? from : from + width];
      rgba[to + 2] = raw[colour === 4 ? from : from + 2 * width];
      rgba[to + 3] = colour === 2 ? 255 : raw[from + (channels - 1) * width];
      if (keyed !== null && isKey(raw, from, keyed, width)) rgba[to + 3] = 0;
    }
    return;
  }
  const grey = colour === 0 ? transparency : null;
  const key = grey !== null && grey.length >= 2 ? grey[0] * 256 + grey[1] : -1;
  const scale = depth < 8 ? 255 / ((1 << depth) - 1) : 1;
  const mask = (1 << depth) - 1;
  for (let i = 0; i < count; i++, to += step) {
    const bit = i * depth;
    const value = depth === 16
      ? raw[from + 2 * i] * 256 + raw[from + 2 * i + 1]
      : (raw[from + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
    if (colour === 3) {
      if (palette === null || value * 3 + 2 >= palette.length) throw corruptImage();
      rgba[to] = palette[value * 3],
        rgba[to + 1] = palette[value * 3 + 1],
        rgba[to + 2] = palette[value * 3 + 2];
      rgba[to + 3] = transparency !== null && value < transparency.length ? transparency[value] : 255;
    } else {
      rgba[to] = rgba[to + 1] = rgba[to + 2] = depth === 16 ? value >> 8 : value * scale;
      rgba[to + 3] = value === key ? 0 : 255;
    }
  }
}

/** Whether an RGB sample has the colour that tRNS makes clear (16-bit entries). */
function isKey(raw: Uint8Array, from: number, key: Uint8Array, width: number): boolean {
  for (let c = 0; c < 3; c++) {
    const value = width === 2 ? raw[from + 2 * c] * 256 + raw[from + 2 * c + 1] : raw[from + c];
    if (value !== key[2 * c] * 256 + key[2 * c + 1]) return false;
  }
  return true;
}
