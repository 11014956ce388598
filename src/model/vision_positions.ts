/** Where patches lie, and what follows from it: interpolated learned positions, 2-D rotary angles. */

/** (row, column) of each patch row in merge-block order, in unmerged patches: [t·h·w, 2]. */
export function patchPlaces(grid: number[], merge: number): Uint32Array {
  const [t, h, w] = grid;
  const out = new Uint32Array(t * h * w * 2);
  let at = 0;
  for (let frame = 0; frame < t; frame++) {
    for (let br = 0; br < h; br += merge) {
      for (let bc = 0; bc < w; bc += merge) {
        for (let r = 0; r < merge; r++) {
          for (let c = 0; c < merge; c++) {
            out[at++] = br + r;
            out[at++] = bc + c;
          }
        }
      }
    }
  }
  return out;
}

/** linspace(0, last, count) as torch makes it in float32: from both ends towards the middle. */
function linspace(last: number, count: number): Float32Array {
  const out = new Float32Array(count);
  if (count === 1) return out;
  const step = Math.fround(last / (count - 1));
  for (let i = 0; i < count; i++) out[i] = i < count / 2 ? step * i : last - step * (count - 1 - i);
  return out;
}

/**
 * Bilinear interpolation of a side×side table at linspace(0, side−1, h) × linspace(0, side−1, w), floor and ceil
 * clipped, the same for every frame (VALLEY3.md, vision tower 2).
 */
export function bilinearCorners(grid: number[], places: Uint32Array, side: number): {
  corners: Uint32Array; // [rows, 4]
  weights: Float32Array; // [rows, 4]
} {
  const ys = linspace(side - 1, grid[1]);
  const xs = linspace(side - 1, grid[2]);
  const rows = places.length / 2;
  const corners = new Uint32Array(rows * 4);
  const weights = new Float32Array(rows * 4);
  for (let r = 0; r < rows; r++) {
    const y = ys[places[2 * r]];
    const x = xs[places[2 * r + 1]];
    const y0 = Math.floor(y);
    const x0 = Math.floor(x);
    const y1 = Math.min(y0 + 1, side - 1);
    const x1 = Math.min(x0 + 1, side - 1);
    const dy = Math.fround(y - y0);
    const dx = Math.fround(x - x0);
    corners.set([y0 * side + x0, y0 * side + x1, y1 * side + x0, y1 * side + x1], r * 4);
    weights.set([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx], r * 4);
  }
  return { corners, weights };
}

/**
 * 2-D rotary over one head: dim/4 frequencies 10000^(−i/(dim/4)) times the row, then the same times the column.
 * @returns [rows, dim/2, 2] = (cos, sin)
 */
export function rotaryAngles2d(places: Uint32Array, dim: number): Float32Array {
  const count = dim / 4;
  const rows = places.length / 2;
  const largest = places.reduce((a, b) => Math.max(a, b), 0);
  const table = new Float32Array((largest + 1) * count * 2);
  for (let p = 0; p <= largest; p++) {
    for (let i = 0; i < count; i++) {
      const angle = p * Math.fround(10000 ** (-i / count));
      table[(p * count + i) * 2] = Math.cos(angle);
      table[(p * count + i) * 2 + 1] = Math.sin(angle);
    }
  }
  const out = new Float32Array(rows * dim);
  const half = count * 2;
  for (let r = 0; r < rows; r++) {
    out.set(table.subarray(places[2 * r] * half, (places[2 * r] + 1) * half), r * dim);
    out.set(table.subarray(places[2 * r + 1] * half, (places[2 * r + 1] + 1) * half), r * dim + half);
  }
  return out;
}
