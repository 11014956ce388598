/**
 * JPEG: marker walk (size, orientation, completeness) before any decode, then mozjpeg's libjpeg-turbo in wasm
 * (@jsquash/jpeg): accurate IDCT and smooth chroma upsampling, the same bytes as Pillow on the golden pictures,
 * where Deno's createImageBitmap and jpeg-js differ.
 */

import wasm from "@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm" with { type: "bytes" };
import mozjpeg from "@jsquash/jpeg/codec/dec/mozjpeg_dec.js";
import { checkSize, corruptImage, unsupportedImage } from "./image_errors.ts";
import { exifOrientation } from "./exif.ts";
import { decodeCmykJpeg } from "./jpeg_cmyk.ts";
import type { Pixels } from "./pixels.ts";
import { WasmCodec } from "./wasm_codec.ts";

/** A progressive file repeats the whole picture in each scan; real ones have about ten. */
const MAX_SCANS = 100;

export const isJpeg = (bytes: Uint8Array): boolean =>
  bytes[0] === 0xFF && bytes[1] === 0xD8 && bytes[2] === 0xFF;

interface JpegHeader {
  width: number;
  height: number;
  components: number;
  orientation: number;
}

/** Walks all markers up to EOI: a file that ends before it is truncated. */
function probe(bytes: Uint8Array): JpegHeader {
  let header: JpegHeader | null = null;
  let orientation = 1, scans = 0;
  for (let at = 2; at + 4 <= bytes.length + 2;) {
    if (bytes[at] !== 0xFF) throw corruptImage();
    while (bytes[at + 1] === 0xFF) at++; // fill bytes
    const marker = bytes[at + 1];
    if (marker === 0xD9) { // EOI
      if (header === null || scans === 0) throw corruptImage();
      return { ...header, orientation };
    }
    if (at + 4 > bytes.length) break;
    const size = bytes[at + 2] * 256 + bytes[at + 3];
    const end = at + 2 + size;
    if (size < 2 || end > bytes.length) break;
    const body = bytes.subarray(at + 4, end);
    if (marker >= 0xC0 && marker <= 0xCF && marker !== 0xC4 && marker !== 0xC8 && marker !== 0xCC) {
      if (body.length < 6 || header !== null) throw corruptImage();
      const [height, width] = [body[1] * 256 + body[2], body[3] * 256 + body[4]];
      checkSize(width, height);
      if (marker > 0xC2) throw unsupportedImage("this kind of JPEG");
      if (body[0] !== 8) throw unsupportedImage(`JPEG of ${body[0]} bits`);
      header = { width, height, components: body[5], orientation };
    } else if (
      marker === 0xE1 && body.length > 6 && body[0] === 0x45 && body[1] === 0x78 && body[2] === 0x69
    ) {
      orientation = exifOrientation(body.subarray(6)); // "Exif\0\0"
    }
    at = end;
    if (marker !== 0xDA) continue;
    if (++scans > MAX_SCANS) throw unsupportedImage("JPEG with so many scans");
    // Entropy-coded data: up to the next marker that is neither a stuffed FF 00 nor a restart.
    for (;; at++) {
      at = bytes.indexOf(0xFF, at);
      if (at === -1 || at + 1 >= bytes.length) throw corruptImage();
      const next = bytes[at + 1];
      if (next !== 0 && next !== 0xFF && (next < 0xD0 || next > 0xD7)) break;
    }
  }
  throw corruptImage();
}

const codec = new WasmCodec<{ decode(bytes: ArrayBuffer, orient: boolean): ImageData | null }>(mozjpeg, wasm);

/** Throws PromptError. Orientation is told, not applied. */
export async function decodeJpeg(bytes: Uint8Array): Promise<Pixels & { orientation: number }> {
  const { width, height, components, orientation } = probe(bytes);
  if (components === 4) return { ...await decodeCmykJpeg(bytes), orientation };
  if (components !== 1 && components !== 3) throw unsupportedImage(`JPEG of ${components} components`);
  const image = await codec.run((module) => module.decode(bytes.slice().buffer, false));
  if (image === null || image.width !== width || image.height !== height) throw corruptImage();
  return { width, height, rgba: new Uint8Array(image.data.buffer), orientation };
}
