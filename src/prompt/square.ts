/**
 * Pictures as CLIP and SigLIP towers take them: squares of one size. Valley2's tiles (VALLEY2.md "Tiling") and the two ways of
 * Valley (2023) (VALLEY1.md "Preprocessing"). All resizing is Pillow's on bytes.
 */

import type { Raster } from "../families/family.ts";
import { type Filter, resize } from "./resize.ts";
import { type Normalisation, normalisedLevels } from "./patchify.ts";
import { roundHalfEven } from "./smart_resize.ts";

/** A grid of tiles and where the resized picture is pasted on it, in pixels. */
export interface TileLayout {
  columns: number;
  rows: number;
  width: number;
  height: number;
  x: number;
  y: number;
}

/**
 * Tiles of crop × crop pixels: the thumbnail (aspect not kept), then those of the layout row by row, the picture pasted on
 * black. `layout` null: the thumbnail alone.
 */
export function tilesOf(picture: Raster, crop: number, layout: TileLayout | null): Raster[] {
  const tiles = [resize(picture, crop, crop, "bicubic", "pillow")];
  if (layout === null) return tiles;
  const { columns, rows, width, height, x, y } = layout;
  const fitted = resize(picture, width, height, "bicubic", "pillow");
  const whole: Raster = {
    width: columns * crop,
    height: rows * crop,
    rgb: new Uint8Array(columns * rows * crop * crop * 3),
  };
  for (let r = 0; r < height; r++) {
    const line = fitted.rgb.subarray(r * width * 3, (r + 1) * width * 3);
    whole.rgb.set(line, ((y + r) * whole.width + x) * 3);
  }
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) tiles.push(cut(whole, c * crop, r * crop, crop));
  }
  return tiles;
}

/** clip: a picture or a folder's frame; frame: a frame of a video file. CRITICAL: they are not resized alike. */
export type SquarePath = "clip" | "frame";

const RULES: Record<SquarePath, { shorter: number; filter: Filter; round: (v: number) => number }> = {
  clip: { shorter: 1, filter: "bicubic", round: Math.floor },
  frame: { shorter: 256 / 224, filter: "bilinear", round: roundHalfEven },
};

/** The middle square of side × side pixels, after the shorter side was brought to `side` (clip) or 8/7 of it (frame). */
export function squareOf(picture: Raster, side: number, path: SquarePath): Raster {
  const { filter, round } = RULES[path];
  const shorter = Math.round(side * RULES[path].shorter);
  const { width, height } = picture;
  const [w, h] = width <= height
    ? [shorter, Math.trunc(shorter * height / width)]
    : [Math.trunc(shorter * width / height), shorter];
  const fitted = Math.min(width, height) === shorter ? picture : resize(picture, w, h, filter, "pillow");
  return cut(fitted, round((fitted.width - side) / 2), round((fitted.height - side) / 2), side);
}

function cut({ width, rgb }: Raster, x: number, y: number, side: number): Raster {
  const out = new Uint8Array(side * side * 3);
  for (let r = 0; r < side; r++) {
    const from = ((y + r) * width + x) * 3;
    out.set(rgb.subarray(from, from + side * 3), r * side * 3);
  }
  return { width: side, height: side, rgb: out };
}

/** Squares as normalised planes [pictures, 3, side, side]. */
export function planesOf(pictures: readonly Raster[], normalisation: Normalisation): Float32Array {
  const area = pictures[0].width * pictures[0].height;
  const out = new Float32Array(pictures.length * 3 * area);
  const levels = [0, 1, 2].map((c) => normalisedLevels(normalisation, c));
  pictures.forEach(({ rgb }, p) => {
    for (let c = 0; c < 3; c++) {
      const to = (p * 3 + c) * area;
      for (let i = 0; i < area; i++) out[to + i] = levels[c][rgb[3 * i + c]];
    }
  });
  return out;
}
