/**
 * Any supported picture → 8-bit RGB. The format is told by magic bytes, never by a declared type; each reader
 * checks size and frame count before it decodes.
 *
 * Decoders, chosen by test against the golden `decoded_sum`: JPEG @jsquash/jpeg and WebP @jsquash/webp (same
 * bytes as Pillow; wasm embedded at compile time, so no permission is needed); PNG, GIF and BMP by hand (exact by
 * definition, output bounded by the header). Not used: Deno's createImageBitmap (other JPEG bytes, no public pixel
 * read-out, 18 s on a 109 kB PNG bomb), imagescript (FFI, no WebP, ignores EXIF).
 */

import type { ImageOptions, Raster } from "../families/family.ts";
import { decodeBmp, isBmp } from "./bmp.ts";
import { decodeGif, isGif } from "./gif.ts";
import { corruptImage, unsupportedImage } from "./image_errors.ts";
import { decodeJpeg, isJpeg } from "./jpeg.ts";
import { orient, type Pixels, toRgb, VALLEY3_IMAGE } from "./pixels.ts";
import { decodePng, isPng } from "./png.ts";
import { decodeWebp, isWebp } from "./webp.ts";
import { PromptError } from "../families/family.ts";

/** Throws PromptError: `unsupported_image`, `image_too_large`, `corrupt_image`. */
export async function decodeImage(bytes: Uint8Array, options: ImageOptions = VALLEY3_IMAGE): Promise<Raster> {
  let pixels: Pixels & { orientation?: number };
  try {
    pixels = await decode(bytes);
  } catch (error) {
    if (error instanceof PromptError) throw error;
    throw corruptImage(); // a reader ran past the end of the data
  }
  const raster = toRgb(pixels, options.alpha);
  return options.applyOrientation ? orient(raster, pixels.orientation ?? 1) : raster;
}

function decode(bytes: Uint8Array): Promise<Pixels> | Pixels {
  if (isJpeg(bytes)) return decodeJpeg(bytes);
  if (isPng(bytes)) return decodePng(bytes);
  if (isWebp(bytes)) return decodeWebp(bytes);
  if (isGif(bytes)) return decodeGif(bytes);
  if (isBmp(bytes)) return decodeBmp(bytes);
  throw unsupportedImage("a format other than JPEG, PNG, WebP, GIF and BMP");
}
