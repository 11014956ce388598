// AssemblyScript: for each group the scale and minimum that leave the least squared error, weighted by how much each
// column matters. Several ranges narrower and wider than the values' own are tried; for each the best line through
// (code, value) is solved for exactly, put into half precision and judged with the codes it then gives.
//
// With u = value − smallest, the error of u ≈ s·q + m over all codes q is
// Σw·u² + s²·Σw·q² + m²·Σw + 2sm·Σw·q − 2s·Σw·q·u − 2m·Σw·u: three sums a trial, in double precision. Two rows run
// side by side; each is summed in the order of its columns.
import { inverseOf, inverses, minima, overshoot, storeCodes } from "./codes";
import { highs, lows } from "./ends";
import { finite, group, HALF_MAX, loadGroup, ofHalves, promoteHigh, refused, there, toHalves } from "./values";

/** Codes that a group's range spans in each trial; 15 is the range itself. */
const SPANS: usize = memory.data<f64>([13, 13.6, 14.2, 14.6, 15, 15.4, 15.8, 16.4]);
const TRIALS = 8;
/** Lines that would put values further up than this are not tried: codes are taken from i32 (codes.as). */
const MOST: f64 = 1073741824;
/** Rounds of "codes for this line, then the best line for these codes". */
const REFITS = 3;

/** f64 [32]: weight of each column. */
const weights: usize = memory.data(32 * 8, 16);
/** f64 [32, 2]: u of two rows, and weight · u. */
const us: usize = memory.data(32 * 2 * 8, 16);
const weighted: usize = memory.data(32 * 2 * 8, 16);

// Of the two rows under way: f64 [2] each.
let low: v128, range: v128, sumW: v128, sumU: v128, sumUU: v128;
/** The least error so far, and the scale and minimum that leave it, as halves can hold them. */
let best: v128, bestScale: v128, bestMinimum: v128;

/** The nearest half: f64 [2]. */
// @ts-ignore: decorator
@inline
function half(values: v128): v128 {
  return f64x2.promote_low_f32x4(ofHalves(toHalves(f32x4.demote_f64x2_zero(values))));
}

/** Rows `row` and `row + 1` of `group` → u, weights times u and their sums. */
function gather(row: i32): void {
  let w = f64x2.splat(0), wu = f64x2.splat(0), wuu = f64x2.splat(0);
  for (let i = 0; i < 32; i += 4) {
    const a = v128.load(group + 128 * row + 4 * i), b = v128.load(group + 128 * row + 128 + 4 * i);
    const front = i32x4.shuffle(a, b, 0, 4, 1, 5), back = i32x4.shuffle(a, b, 2, 6, 3, 7);
    for (let j = 0; j < 4; j++) {
      const pair = j < 2 ? front : back, at = 16 * (i + j);
      const u = f64x2.sub((j & 1) ? promoteHigh(pair) : f64x2.promote_low_f32x4(pair), low);
      const weight = v128.load_splat<u64>(weights + 8 * (i + j)), product = f64x2.mul(weight, u);
      v128.store(us + at, u);
      v128.store(weighted + at, product);
      w = f64x2.add(w, weight);
      wu = f64x2.add(wu, product);
      wuu = f64x2.add(wuu, f64x2.mul(product, u));
    }
  }
  sumW = w;
  sumU = wu;
  sumUU = wuu;
}

/** From this line on to better ones, as long as the error falls. @param alive lanes that take part */
function attempt(scale: v128, minimum: v128, alive: v128): void {
  const zero = f64x2.splat(0), most = f64x2.splat(HALF_MAX);
  let last = f64x2.splat(Infinity);
  for (let round = 0; round <= REFITS; round++) {
    const s = half(scale), whole = half(f64x2.add(low, minimum)), m = f64x2.sub(whole, low);
    alive = v128.and(alive, v128.and(f64x2.le(s, most), f64x2.le(f64x2.abs(whole), most)));
    const inverse = inverseOf(s);
    alive = v128.and(alive, f64x2.lt(f64x2.mul(range, inverse), f64x2.splat(MOST)));
    const offset = f64x2.sub(f64x2.splat(0.5), f64x2.mul(m, inverse));
    let sumQ = zero, sumQQ = zero, sumQU = zero;
    for (let i = 0; i < 32; i++) {
      const place = f64x2.add(f64x2.mul(v128.load(us + 16 * i), inverse), offset);
      const q = f64x2.trunc(f64x2.pmin(f64x2.pmax(place, zero), f64x2.splat(15)));
      const wq = f64x2.mul(v128.load_splat<u64>(weights + 8 * i), q);
      sumQ = f64x2.add(sumQ, wq);
      sumQQ = f64x2.add(sumQQ, f64x2.mul(wq, q));
      sumQU = f64x2.add(sumQU, f64x2.mul(v128.load(weighted + 16 * i), q));
    }
    const cross = f64x2.sub(
      f64x2.sub(f64x2.mul(f64x2.mul(s, m), sumQ), f64x2.mul(s, sumQU)),
      f64x2.mul(m, sumU),
    );
    const squares = f64x2.add(
      f64x2.add(sumUU, f64x2.mul(f64x2.mul(s, s), sumQQ)),
      f64x2.mul(f64x2.mul(m, m), sumW),
    );
    const error = f64x2.add(squares, f64x2.mul(f64x2.splat(2), cross));
    const better = v128.and(alive, f64x2.lt(error, best));
    best = v128.bitselect(error, best, better);
    bestScale = v128.bitselect(s, bestScale, better);
    bestMinimum = v128.bitselect(whole, bestMinimum, better);
    const determinant = f64x2.sub(f64x2.mul(sumW, sumQQ), f64x2.mul(sumQ, sumQ));
    alive = v128.and(alive, f64x2.lt(error, f64x2.mul(last, f64x2.splat(0.999))));
    alive = v128.and(alive, f64x2.gt(determinant, zero));
    last = error;
    scale = f64x2.div(f64x2.sub(f64x2.mul(sumW, sumQU), f64x2.mul(sumQ, sumU)), determinant);
    minimum = f64x2.div(f64x2.sub(sumU, f64x2.mul(scale, sumQ)), sumW);
    alive = v128.and(alive, f64x2.gt(scale, zero));
    if (!v128.any_true(alive)) return;
  }
}

/** Best line of two rows. @param high their largest values */
function run(row: i32, high: v128): void {
  gather(row);
  best = f64x2.splat(Infinity);
  range = f64x2.sub(high, low);
  const minimum = f64x2.sub(half(low), low);
  attempt(f64x2.div(f64x2.sub(range, minimum), f64x2.splat(15)), minimum, i64x2.splat(-1));
  const alive = v128.and(f64x2.ne(range, f64x2.splat(0)), f64x2.gt(sumW, f64x2.splat(0)));
  if (!v128.any_true(alive)) return;
  for (let i = 0; i < TRIALS; i++) {
    // The range is centred: what it lacks or has too much is shared by both ends.
    const scale = f64x2.div(range, v128.load_splat<u64>(SPANS + 8 * i));
    const rest = f64x2.sub(range, f64x2.mul(f64x2.splat(15), scale));
    attempt(scale, f64x2.mul(rest, f64x2.splat(0.5)), alive);
  }
}

/** @param importance float32 [k], or 0: all columns alike @returns as `nearest` */
export function search(
  input: usize,
  dtype: i32,
  rows: i32,
  k: i32,
  words: usize,
  pairs: usize,
  importance: usize,
): i32 {
  for (let row = 0; row < rows; row += 4) {
    const lanes = there(rows - row);
    let good = i32x4.splat(-1);
    for (let column = 0; column < k; column += 32) {
      for (let i = 0; i < 32; i++) {
        let weight: f64 = column + i < k ? 1 : 0;
        if (importance && column + i < k) weight = load<f32>(importance + 4 * (column + i));
        store<f64>(weights + 8 * i, weight);
      }
      loadGroup(input, dtype, row, rows, column, k);
      const smallest = lows(), largest = highs();
      good = v128.and(good, finite(smallest, largest));
      let scaleBits = i32x4.splat(0), minimumBits = i32x4.splat(0);
      for (let i = 0; i < 4; i += 2) {
        low = i ? promoteHigh(smallest) : f64x2.promote_low_f32x4(smallest);
        run(i, i ? promoteHigh(largest) : f64x2.promote_low_f32x4(largest));
        const s = toHalves(f32x4.demote_f64x2_zero(bestScale));
        const m = toHalves(f32x4.demote_f64x2_zero(bestMinimum));
        scaleBits = i ? i64x2.shuffle(scaleBits, s, 0, 2) : s;
        minimumBits = i ? i64x2.shuffle(minimumBits, m, 0, 2) : m;
        v128.store(minima + 8 * i, bestMinimum);
        v128.store(inverses + 8 * i, inverseOf(bestScale));
      }
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
