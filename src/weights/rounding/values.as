// AssemblyScript: values of four rows (a quad), as int4's layout has them side by side, 32 columns at a time.

export const HALF_MAX: f32 = 65504;
/** 2^112: what a half's exponent and fraction, put where a float32 has them, lack as a factor. */
const REBIAS: f32 = reinterpret<f32>(0x77800000);

// In the order of DTYPES in rounding.ts.
const BF16 = 0, F16 = 1;

/** float32 [4 rows, 32]: the group of each row of the quad that is under way. */
export const group: usize = memory.data(4 * 32 * 4, 16);
/** A row's last group where it is shorter than 32, as stored. */
const rest: usize = memory.data(32 * 4, 16);

/** Halves in the low 16 bits of i32 [4] → float32 [4]. Infinities and NaNs become 65536 and more. */
// @ts-ignore: decorator
@inline
export function ofHalves(halves: v128): v128 {
  const magnitude = i32x4.shl(v128.and(halves, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(REBIAS)), sign);
}

/** float32 [4] → halves in the low 16 bits of i32 [4], as halfBits of half.ts; a NaN becomes infinite. */
// @ts-ignore: decorator
@inline
export function toHalves(values: v128): v128 {
  // 2^16 and beyond end as infinities.
  const magnitude = i32x4.min_s(v128.and(values, i32x4.splat(0x7fffffff)), i32x4.splat(0x47800000));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, odd), i32x4.splat(0xfff - 0x38000000)), 13);
  // Between ½ and 1 a float's last place is 2⁻²⁴, the half's smallest step: the addition rounds.
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const bits = v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  return v128.or(bits, v128.and(i32x4.shr_u(values, 16), i32x4.splat(0x8000)));
}

/** The last two floats as f64 [2], as promote_low_f32x4 does it with the first two. */
// @ts-ignore: decorator
@inline
export function promoteHigh(values: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(values, values, 1, 1));
}

/** Lanes of the rows that a quad has, if `rows` are left. */
// @ts-ignore: decorator
@inline
export function there(rows: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(rows));
}

/** Lanes whose smallest and largest value a half can hold. */
// @ts-ignore: decorator
@inline
export function finite(low: v128, high: v128): v128 {
  return v128.and(f32x4.ge(low, f32x4.splat(-HALF_MAX)), f32x4.le(high, f32x4.splat(HALF_MAX)));
}

/** The first lane that is there and not good, or -1. */
// @ts-ignore: decorator
@inline
export function refused(good: v128, lanes: v128): i32 {
  const bad = i32x4.bitmask(v128.andnot(lanes, good));
  return bad ? ctz(bad) : -1;
}

/**
 * Columns [column, column + 32) of rows [row, row + 4) → `group`. Behind the last column the group's first value is
 * repeated, which changes neither end; behind the last row the first row is.
 * @param input values [rows, k] row-major
 */
export function loadGroup(input: usize, dtype: i32, row: i32, rows: i32, column: i32, k: i32): void {
  const width: usize = dtype == BF16 || dtype == F16 ? 2 : 4;
  const count = k - column;
  for (let i = 0; i < 4; i++) {
    const r = row + i < rows ? row + i : row;
    let from = input + (<usize>r * k + column) * width;
    if (count < 32) {
      memory.copy(rest, from, <usize>count * width);
      for (let j = count; j < 32; j++) memory.copy(rest + <usize>j * width, from, width);
      from = rest;
    }
    const to = group + 128 * i;
    if (dtype == BF16) {
      for (let j = 0; j < 4; j++) {
        const words = v128.load(from + 16 * j), zero = i64x2.splat(0);
        v128.store(to + 32 * j, i16x8.shuffle(zero, words, 0, 8, 1, 9, 2, 10, 3, 11));
        v128.store(to + 32 * j, i16x8.shuffle(zero, words, 4, 12, 5, 13, 6, 14, 7, 15), 16);
      }
    } else if (dtype == F16) {
      for (let j = 0; j < 4; j++) {
        const words = v128.load(from + 16 * j);
        v128.store(to + 32 * j, ofHalves(i32x4.extend_low_i16x8_u(words)));
        v128.store(to + 32 * j, ofHalves(i32x4.extend_high_i16x8_u(words)), 16);
      }
    } else {
      memory.copy(to, from, 128);
    }
  }
}
