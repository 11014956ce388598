// AssemblyScript: int4 by rounding to nearest; quantiseNearest of rounding.ts.
import { inverseOf, inverses, minima, overshoot, storeCodes } from "./codes";
import { highs, lows } from "./ends";
import { finite, loadGroup, ofHalves, promoteHigh, refused, there, toHalves } from "./values";

/** The first byte that the caller may use. */
export function free(): usize {
  return __heap_base;
}

/** (high − minimum) / 15 of two rows in double precision, as f32 [2]. */
// @ts-ignore: decorator
@inline
function scales(high: v128, minimum: v128): v128 {
  return f32x4.demote_f64x2_zero(f64x2.div(f64x2.sub(high, minimum), f64x2.splat(15)));
}

/**
 * Each group spans from its smallest to its largest value.
 * @param input values [rows, k] @param dtype see DTYPES in rounding.ts
 * @param words [ceil(rows / 4), ceil(k / 8), 4] @param pairs [ceil(rows / 4), ceil(k / 32), 4]
 * @returns the first row with a value that is not finite or beyond half precision, or -1
 */
export function nearest(input: usize, dtype: i32, rows: i32, k: i32, words: usize, pairs: usize): i32 {
  for (let row = 0; row < rows; row += 4) {
    const lanes = there(rows - row);
    let good = i32x4.splat(-1);
    for (let column = 0; column < k; column += 32) {
      loadGroup(input, dtype, row, rows, column, k);
      const low = lows(), high = highs();
      good = v128.and(good, finite(low, high));
      const minimumBits = toHalves(low), minimum = ofHalves(minimumBits);
      const m0 = f64x2.promote_low_f32x4(minimum), m1 = promoteHigh(minimum);
      const s0 = scales(f64x2.promote_low_f32x4(high), m0), s1 = scales(promoteHigh(high), m1);
      const scaleBits = toHalves(i64x2.shuffle(s0, s1, 0, 2)), scale = ofHalves(scaleBits);
      v128.store(minima, m0);
      v128.store(minima, m1, 16);
      v128.store(inverses, inverseOf(f64x2.promote_low_f32x4(scale)));
      v128.store(inverses, inverseOf(promoteHigh(scale)), 16);
      v128.store(pairs, v128.and(v128.or(scaleBits, i32x4.shl(minimumBits, 16)), lanes));
      storeCodes(words, lanes, k - column);
      words += 64;
      pairs += 16;
    }
    words -= overshoot(k);
    const bad = refused(good, lanes);
    if (bad >= 0) return row + bad;
  }
  return -1;
}
