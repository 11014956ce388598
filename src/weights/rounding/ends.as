// AssemblyScript: smallest and largest value of each row in `group`.
import { group } from "./values";

/** Bits of floats ↔ integers that sort as the floats do; a NaN lands at one of the ends. */
// @ts-ignore: decorator
@inline
function sortable(bits: v128): v128 {
  return v128.xor(bits, i32x4.shr_u(i32x4.shr_s(bits, 31), 1));
}

// @ts-ignore: decorator
@inline
function key(row: i32, i: i32): v128 {
  return sortable(v128.load(group + 128 * row + 16 * i));
}

/** i32 [4], of which the smallest is the row's. */
// @ts-ignore: decorator
@inline
function lowOf(row: i32): v128 {
  const a = i32x4.min_s(i32x4.min_s(key(row, 0), key(row, 1)), i32x4.min_s(key(row, 2), key(row, 3)));
  const b = i32x4.min_s(i32x4.min_s(key(row, 4), key(row, 5)), i32x4.min_s(key(row, 6), key(row, 7)));
  return i32x4.min_s(a, b);
}

// @ts-ignore: decorator
@inline
function highOf(row: i32): v128 {
  const a = i32x4.max_s(i32x4.max_s(key(row, 0), key(row, 1)), i32x4.max_s(key(row, 2), key(row, 3)));
  const b = i32x4.max_s(i32x4.max_s(key(row, 4), key(row, 5)), i32x4.max_s(key(row, 6), key(row, 7)));
  return i32x4.max_s(a, b);
}

// @ts-ignore: decorator
@inline
function lowPairs(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5);
}

// @ts-ignore: decorator
@inline
function highPairs(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7);
}

/** Smallest value of each row: f32 [4]. */
// @ts-ignore: decorator
@inline
export function lows(): v128 {
  const a = lowOf(0), b = lowOf(1), c = lowOf(2), d = lowOf(3);
  const ab = i32x4.min_s(lowPairs(a, b), highPairs(a, b)), cd = i32x4.min_s(lowPairs(c, d), highPairs(c, d));
  return sortable(i32x4.min_s(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3)));
}

/** Largest value of each row: f32 [4]. */
// @ts-ignore: decorator
@inline
export function highs(): v128 {
  const a = highOf(0), b = highOf(1), c = highOf(2), d = highOf(3);
  const ab = i32x4.max_s(lowPairs(a, b), highPairs(a, b)), cd = i32x4.max_s(lowPairs(c, d), highPairs(c, d));
  return sortable(i32x4.max_s(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3)));
}
