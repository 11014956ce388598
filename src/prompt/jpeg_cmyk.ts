/**
 * JPEG of four components (CMYK, YCCK), which mozjpeg's wasm build does not convert: by Deno's createImageBitmap,
 * read out through a canvas as PNG. Within one level of Pillow's conversion.
 */

import { corruptImage } from "./image_errors.ts";
import type { Pixels } from "./pixels.ts";
import { decodePng } from "./png.ts";

/** `bytes`: a file that was found complete and within the size limits. Orientation is left to the caller. */
export async function decodeCmykJpeg(bytes: Uint8Array): Promise<Pixels> {
  try {
    const bitmap = await createImageBitmap(new Blob([withoutExif(bytes)]));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("bitmaprenderer")!.transferFromImageBitmap(bitmap);
    const png = await canvas.convertToBlob({ type: "image/png" });
    return decodePng(new Uint8Array(await png.arrayBuffer()));
  } catch {
    throw corruptImage();
  }
}

/** Drops the APP1 segments (createImageBitmap would turn the picture by them). */
function withoutExif(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  out.set(bytes.subarray(0, 2));
  let to = 2, at = 2;
  while (bytes[at + 1] !== 0xDA) {
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3];
    if (end > bytes.length) throw corruptImage();
    if (bytes[at + 1] !== 0xE1) {
      out.set(bytes.subarray(at, end), to);
      to += end - at;
    }
    at = end;
  }
  out.set(bytes.subarray(at), to);
  return out.subarray(0, to + bytes.length - at);
}
