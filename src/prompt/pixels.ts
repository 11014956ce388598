/** Decoders' RGBA and orientation → RGB as the family wants it. */

import type { ImageOptions, Raster } from "../families/family.ts";

/** Decoded pixels with alpha, row-major RGBA. */
export interface Pixels {
  width: number;
  height: number;
  rgba: Uint8Array;
}

export const VALLEY3_IMAGE: ImageOptions = { applyOrientation: true, alpha: "white" };
/** PIL's convert("RGB") alone: Valley2.5, Valley2, Valley (2023). */
export const PLAIN_IMAGE: ImageOptions = { applyOrientation: false, alpha: "drop" };

export function toRgb({ width, height, rgba }: Pixels, alpha: ImageOptions["alpha"]): Raster {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    const a = rgba[from + 3];
    if (a === 255 || alpha === "drop") {
      rgb[to] = rgba[from], rgb[to + 1] = rgba[from + 1], rgb[to + 2] = rgba[from + 2];
      continue;
    }
    const white = 255 * (255 - a) + 127; // 255 is odd, so no value is a half
    rgb[to] = (rgba[from] * a + white) / 255;
    rgb[to + 1] = (rgba[from + 1] * a + white) / 255;
    rgb[to + 2] = (rgba[from + 2] * a + white) / 255;
  }
  return { width, height, rgb };
}

/** Turns a picture as EXIF orientation 1 … 8 says it is to be shown. */
export function orient(picture: Raster, orientation: number): Raster {
  if (orientation < 2 || orientation > 8) return picture;
  const { width, height, rgb } = picture;
  const turned = orientation >= 5;
  const w = turned ? height : width, h = turned ? width : height;
  const out = new Uint8Array(rgb.length);
  // Source of output (x, y): walk by `across` a column and `down` a row from `start`, in pixels.
  const last = width * height - 1;
  const [start, across, down] = [
    [width - 1, -1, width], // 2: mirrored left to right
    [last, -1, -width], // 3: half a turn
    [last - width + 1, 1, -width], // 4: mirrored top to bottom
    [0, width, 1], // 5: transposed
    [last - width + 1, -width, 1], // 6: a quarter clockwise
    [last, -width, -1], // 7: transposed over the other diagonal
    [width - 1, width, -1], // 8: a quarter anticlockwise
  ][orientation - 2];
  for (let y = 0, to = 0; y < h; y++) {
    let from = (start + y * down) * 3;
    for (let x = 0; x < w; x++, from += across * 3, to += 3) {
      out[to] = rgb[from], out[to + 1] = rgb[from + 1], out[to + 2] = rgb[from + 2];
    }
  }
  return { width: w, height: h, rgb: out };
}
