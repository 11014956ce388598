/** BMP: uncompressed and bit-field files of 1, 4, 8, 16, 24 and 32 bits. */

import { checkSize, corruptImage, unsupportedImage } from "./image_errors.ts";
import type { Pixels } from "./pixels.ts";

const RGB = 0, BITFIELDS = 3, ALPHABITFIELDS = 6;

export const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4D;

/** Throws PromptError. Alpha counts only where the file has a mask for it. */
export function decodeBmp(bytes: Uint8Array): Pixels {
  if (bytes.length < 30) throw corruptImage();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = view.getUint32(10, true), headerSize = view.getUint32(14, true);
  if (headerSize < 12 || 14 + headerSize > bytes.length) throw corruptImage();
  const core = headerSize === 12; // OS/2: 16-bit sides, palette of three bytes
  if (!core && headerSize < 40) throw unsupportedImage("this kind of BMP");
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const signedHeight = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  checkSize(width, height);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core ? RGB : view.getUint32(30, true);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw unsupportedImage(`BMP of ${bits} bits`);
  const masked = compression === BITFIELDS || compression === ALPHABITFIELDS;
  if (compression !== RGB && !(masked && (bits === 16 || bits === 32))) {
    throw unsupportedImage("compressed BMP");
  }
  const row = Math.ceil(width * bits / 32) * 4;
  if (offset < 14 + headerSize || offset + row * height > bytes.length) throw corruptImage();
  const rgba = new Uint8Array(width * height * 4);
  const line = (y: number): number => offset + (signedHeight < 0 ? y : height - 1 - y) * row;
  if (bits <= 8) {
    const entry = core ? 3 : 4, start = 14 + headerSize;
    const used = core ? 0 : view.getUint32(46, true);
    const count = Math.min(used === 0 ? 1 << bits : used, 1 << bits, Math.floor((offset - start) / entry));
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0, from = line(y); x < width; x++, to += 4) {
        const bit = x * bits;
        const index = (bytes[from + (bit >> 3)] >> (8 - bits - (bit & 7))) & ((1 << bits) - 1);
        if (index >= count) throw corruptImage();
        const at = start + index * entry;
        rgba[to] = bytes[at + 2], rgba[to + 1] = bytes[at + 1], rgba[to + 2] = bytes[at], rgba[to + 3] = 255;
      }
    }
    return { width, height, rgba };
  }
  if (bits === 24) {
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0, from = line(y); x < width; x++, from += 3, to += 4) {
        rgba[to] = bytes[from + 2],
          rgba[to + 1] = bytes[from + 1],
          rgba[to + 2] = bytes[from],
          rgba[to + 3] = 255;
      }
    }
    return { width, height, rgba };
  }
  const masks = readMasks(view, bits, masked, headerSize, compression);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = line(y); x < width; x++, from += bits / 8, to += 4) {
      const value = bits === 16 ? view.getUint16(from, true) : view.getUint32(from, true);
      for (let c = 0; c < 4; c++) rgba[to + c] = masks[c] === 0 ? 255 : sample(value, masks[c]);
    }
  }
  return { width, height, rgba };
}

/** Masks of red, green, blue and alpha (0: none). */
function readMasks(
  view: DataView,
  bits: number,
  masked: boolean,
  headerSize: number,
  compression: number,
): number[] {
  if (!masked) return bits === 16 ? [0x7C00, 0x3E0, 0x1F, 0] : [0xFF0000, 0xFF00, 0xFF, 0];
  // A 40-byte header has its masks right behind; later ones hold them, alpha included.
  const alpha = headerSize >= 56 || compression === ALPHABITFIELDS;
  if (54 + (alpha ? 16 : 12) > view.byteLength) throw corruptImage();
  return [54, 58, 62, 66].map((at, i) => i === 3 && !alpha ? 0 : view.getUint32(at, true));
}

/** The masked bits of a value, scaled to 0 … 255. */
function sample(value: number, mask: number): number {
  const shift = 31 - Math.clz32(mask & -mask);
  const largest = mask >>> shift;
  return Math.round(((value & mask) >>> shift) * 255 / largest);
}
