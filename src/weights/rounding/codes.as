// AssemblyScript: `group` and a line for each of its rows → words of eight 4-bit codes in quads.
import { group } from "./values";

/** f64 [4]: minimum of each row's line. */
export const minima: usize = memory.data(4 * 8, 16);
/** f64 [4]: 1 / scale, or 0. */
export const inverses: usize = memory.data(4 * 8, 16);
/** i32 [4 rows, 4]: the words row by row. */
const words: usize = memory.data(4 * 4 * 4, 16);

/** 1 / scale of two rows, 0 where it is none: f64 [2]. */
// @ts-ignore: decorator
@inline
export function inverseOf(scale: v128): v128 {
  return v128.and(f64x2.div(f64x2.splat(1), scale), f64x2.gt(scale, f64x2.splat(0)));
}

/** Bytes by which a row of quads is shorter than its groups of 32 columns are. */
// @ts-ignore: decorator
@inline
export function overshoot(k: i32): usize {
  return <usize>(((k + 31) & ~31) - ((k + 7) & ~7)) * 2;
}

/** (v − minimum) · inverse + ½ of two values, in double precision. */
// @ts-ignore: decorator
@inline
function place(value: v128, minimum: v128, inverse: v128): v128 {
  return f64x2.add(f64x2.mul(f64x2.sub(value, minimum), inverse), f64x2.splat(0.5));
}

/** The whole parts of the places of four values, not yet held to 0 … 15: i32 [4]. */
// @ts-ignore: decorator
@inline
function four(at: usize, minimum: v128, inverse: v128): v128 {
  const low = f64x2.promote_low_f32x4(v128.load_zero<u64>(at));
  const high = f64x2.promote_low_f32x4(v128.load_zero<u64>(at, 8));
  // Relaxed: what does not fit an i32 becomes any number. All fit. `nearest`: above the minimum lie some 15 steps, below
  // it at most 16, which is 2²⁸ of the smallest steps. `search` sees to it. Refused values' codes are read by nobody.
  const a = i32x4.relaxed_trunc_f64x2_s_zero(place(low, minimum, inverse));
  const b = i32x4.relaxed_trunc_f64x2_s_zero(place(high, minimum, inverse));
  return i64x2.shuffle(a, b, 0, 2);
}

/** Whole parts of 16 values' places → two words, in lanes 0 and 2. A word has codes 0 4 1 5 2 6 3 7 from its lowest bits on. */
// @ts-ignore: decorator
@inline
function two(a: v128, b: v128, c: v128, d: v128): v128 {
  const parts = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
  const codes = i8x16.min_u(parts, i8x16.splat(15));
  // The upper four bytes of each eight go into the upper halves of the lower four.
  return v128.or(codes, i64x2.shr_u(codes, 28));
}

/** 16 values → two words, in double precision. */
function exact(at: usize, minimum: v128, inverse: v128): v128 {
  return two(
    four(at, minimum, inverse),
    four(at + 16, minimum, inverse),
    four(at + 32, minimum, inverse),
    four(at + 48, minimum, inverse),
  );
}

/** Of a place (0 … 16) in single precision the error is under 2⁻¹⁷: four roundings of half a unit in 24 bits. */
const MARGIN: f32 = 1.0 / 65536;

/** (v − minimum) · inverse of four values, in single precision. */
// @ts-ignore: decorator
@inline
function near(at: usize, minimum: v128, inverse: v128): v128 {
  return f32x4.mul(f32x4.sub(v128.load(at), minimum), inverse);
}

// @ts-ignore: decorator
@inline
function below(place: v128): v128 {
  return i32x4.relaxed_trunc_f32x4_s(f32x4.add(place, f32x4.splat(0.5 - MARGIN)));
}

// @ts-ignore: decorator
@inline
function above(place: v128): v128 {
  return i32x4.relaxed_trunc_f32x4_s(f32x4.add(place, f32x4.splat(0.5 + MARGIN)));
}

/**
 * 16 values → two words: in single precision where that leaves no doubt, which is nearly always; where a value lies so
 * near to the middle of two codes that it might, in double precision.
 */
// @ts-ignore: decorator
@inline
function words16(at: usize, minimum: v128, inverse: v128, minimum32: v128, inverse32: v128): v128 {
  const p = near(at, minimum32, inverse32), q = near(at + 16, minimum32, inverse32);
  const r = near(at + 32, minimum32, inverse32), s = near(at + 48, minimum32, inverse32);
  const a = below(p), b = below(q), c = below(r), d = below(s);
  const ab = v128.or(v128.xor(a, above(p)), v128.xor(b, above(q)));
  const cd = v128.or(v128.xor(c, above(r)), v128.xor(d, above(s)));
  return v128.any_true(v128.or(ab, cd)) ? exact(at, minimum, inverse) : two(a, b, c, d);
}

/** The bits of word `j` in a group of `count` columns. */
function mask(j: i32, count: i32): i32 {
  let bits = 0;
  for (let i = 0; i < 8 && 8 * j + i < count; i++) bits |= 15 << (i < 4 ? 8 * i : 8 * i - 28);
  return bits;
}

/**
 * @param to words [columns / 8, 4 rows] of the group
 * @param there lanes of rows that exist; the others' words are 0
 * @param count columns; behind them codes are 0, and words that hold none are not written
 */
export function storeCodes(to: usize, there: v128, count: i32): void {
  for (let row = 0; row < 4; row++) {
    const at = group + 128 * row;
    const minimum = v128.load_splat<u64>(minima + 8 * row), inverse = v128.load_splat<u64>(inverses + 8 * row);
    const minimum32 = f32x4.splat(<f32>load<f64>(minima + 8 * row));
    const inverse32 = f32x4.splat(<f32>load<f64>(inverses + 8 * row));
    const low = words16(at, minimum, inverse, minimum32, inverse32);
    const high = words16(at + 64, minimum, inverse, minimum32, inverse32);
    v128.store(words + 16 * row, i32x4.shuffle(low, high, 0, 2, 4, 6));
  }
  const a = v128.load(words), b = v128.load(words, 16), c = v128.load(words, 32), d = v128.load(words, 48);
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5), cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const ba = i32x4.shuffle(a, b, 2, 6, 3, 7), dc = i32x4.shuffle(c, d, 2, 6, 3, 7);
  const w0 = v128.and(i64x2.shuffle(ab, cd, 0, 2), there), w1 = v128.and(i64x2.shuffle(ab, cd, 1, 3), there);
  const w2 = v128.and(i64x2.shuffle(ba, dc, 0, 2), there), w3 = v128.and(i64x2.shuffle(ba, dc, 1, 3), there);
  if (count >= 32) {
    v128.store(to, w0);
    v128.store(to, w1, 16);
    v128.store(to, w2, 32);
    v128.store(to, w3, 48);
    return;
  }
  v128.store(to, v128.and(w0, i32x4.splat(mask(0, count))));
  if (count > 8) v128.store(to, v128.and(w1, i32x4.splat(mask(1, count))), 16);
  if (count > 16) v128.store(to, v128.and(w2, i32x4.splat(mask(2, count))), 32);
  if (count > 24) v128.store(to, v128.and(w3, i32x4.splat(mask(3, count))), 48);
}
