/**
 * How Valley2 cuts a picture in tiles and what is left of their tokens (VALLEY2.md "Tiling", "The tokens of one picture").
 */
import type { TileLayout } from "../../prompt/square.ts";

export interface Tiling {
  /** Pixels of a tile's side. */
  crop: number;
  /** Columns and rows of tiles that a picture may get: from the first to the last. */
  from: readonly [columns: number, rows: number];
  to: readonly [columns: number, rows: number];
  /** Tokens of a tile's side. */
  side: number;
  /** Most SigLIP tokens of a picture: beyond it the tiles' map is pooled. */
  maxTokens: number;
}

/** The grid of tiles for a picture: most pixels kept, then least waste, then the first. */
export function layoutOf(width: number, height: number, { crop, from, to }: Tiling): TileLayout {
  let best = { columns: from[0], rows: from[1], kept: 0, waste: Infinity };
  for (let columns = from[0]; columns <= to[0]; columns++) {
    for (let rows = from[1]; rows <= to[1]; rows++) {
      const [w, h] = [crop * columns, crop * rows];
      const scale = Math.min(w / width, h / height);
      const kept = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
      const waste = w * h - kept;
      if (kept > best.kept || (kept === best.kept && waste < best.waste)) {
        best = { columns, rows, kept, waste };
      }
    }
  }
  const { columns, rows } = best;
  const [w, h] = [crop * columns, crop * rows];
  const fitted = w / width < h / height
    ? { width: w, height: Math.min(Math.ceil(height * (w / width)), h) }
    : { width: Math.min(Math.ceil(width * (h / height)), w), height: h };
  return {
    columns,
    rows,
    ...fitted,
    x: Math.floor((w - fitted.width) / 2),
    y: Math.floor((h - fitted.height) / 2),
  };
}

/** The part of the tiles' map of tokens that is kept: rows and columns [from, to). */
export interface Kept {
  top: number;
  bottom: number;
  left: number;
  right: number;
  /** Size after pooling; the same as the kept part where nothing is pooled. */
  rows: number;
  columns: number;
}

/**
 * What is kept of the map of a tiled picture: the padding is cut, then the rest pooled where it is too much.
 * CRITICAL: for slivers nothing may be left; the picture then has its thumbnail only.
 */
export function keptMap(width: number, height: number, tiling: Tiling): Kept {
  const { columns, rows } = layoutOf(width, height, tiling);
  const { side, maxTokens } = tiling;
  const [w, h] = [columns * side, rows * side];
  const kept = { top: 0, bottom: h, left: 0, right: w };
  if (width / height > w / h) {
    const cut = Math.floor((h - Math.trunc(height * (w / width))) / 2);
    kept.top = cut, kept.bottom = h - cut;
  } else {
    const cut = Math.floor((w - Math.trunc(width * (h / height))) / 2);
    kept.left = cut, kept.right = w - cut;
  }
  const size = {
    rows: Math.max(0, kept.bottom - kept.top),
    columns: Math.max(0, kept.right - kept.left),
  };
  const most = maxTokens - side * side;
  if (size.rows * size.columns > most) {
    const ratio = size.rows / size.columns;
    size.rows = Math.trunc(Math.sqrt(most / ratio) * ratio);
    size.columns = Math.trunc(Math.sqrt(most / ratio));
  }
  return { ...kept, ...size };
}

/** SigLIP tokens of a picture. */
export function siglipTokens(width: number, height: number, tiled: boolean, tiling: Tiling): number {
  const own = tiling.side ** 2;
  if (!tiled) return own;
  const { rows, columns } = keptMap(width, height, tiling);
  return own + rows * columns;
}

/**
 * For each SigLIP token of a picture the rows of the projector's result [tiles · side², …] that it is the mean of;
 * tile 0 is the thumbnail.
 */
export function tokenRows(width: number, height: number, tiled: boolean, tiling: Tiling): number[][] {
  const { side } = tiling;
  const own = side * side;
  const out = Array.from({ length: own }, (_, i) => [i]);
  if (!tiled) return out;
  const { columns } = layoutOf(width, height, tiling);
  const kept = keptMap(width, height, tiling);
  const size = [kept.bottom - kept.top, kept.right - kept.left];
  const bin = (i: number, of: number, from: number): [number, number] => [
    Math.floor(i * from / of),
    Math.ceil((i + 1) * from / of),
  ];
  for (let r = 0; r < kept.rows; r++) {
    const [top, bottom] = bin(r, kept.rows, size[0]);
    for (let c = 0; c < kept.columns; c++) {
      const [left, right] = bin(c, kept.columns, size[1]);
      const parts: number[] = [];
      for (let y = kept.top + top; y < kept.top + bottom; y++) {
        for (let x = kept.left + left; x < kept.left + right; x++) {
          const tile = 1 + Math.floor(y / side) * columns + Math.floor(x / side);
          parts.push(tile * own + y % side * side + x % side);
        }
      }
      out.push(parts);
    }
  }
  return out;
}
