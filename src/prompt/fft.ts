/** Discrete Fourier transform of any length whose prime factors are small, in float64 (Stockham, mixed radix). */

export class Fft {
  readonly length: number;
  /** Factors of the length, 4 before 2. */
  readonly #radices: number[] = [];
  /** cos and sin of −2π·k/length. */
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #work: [Float64Array, Float64Array];

  constructor(length: number) {
    this.length = length;
    let rest = length;
    for (const radix of [4, 2, 3, 5]) for (; rest % radix === 0; rest /= radix) this.#radices.push(radix);
    for (let radix = 7; rest > 1; radix += 2) {
      for (; rest % radix === 0; rest /= radix) this.#radices.push(radix);
    }
    this.#cos = Float64Array.from({ length }, (_, k) => Math.cos(-2 * Math.PI * k / length));
    this.#sin = Float64Array.from({ length }, (_, k) => Math.sin(-2 * Math.PI * k / length));
    this.#work = [new Float64Array(length), new Float64Array(length)];
  }

  /** Transforms re + i·im [length] in place: X[k] = Σ x[j]·exp(−2πi·jk/length). */
  transform(re: Float64Array, im: Float64Array): void {
    const { length } = this;
    let [fromRe, fromIm] = [re, im];
    let [toRe, toIm] = this.#work;
    // Before a stage with radix r: `span` sub-transforms' worth is done; rows of length `rest` remain.
    let span = 1;
    for (const radix of this.#radices) {
      this.#stage(radix, span, fromRe, fromIm, toRe, toIm);
      span *= radix;
      [fromRe, toRe] = [toRe, fromRe];
      [fromIm, toIm] = [toIm, fromIm];
    }
    if (fromRe !== re) {
      for (let i = 0; i < length; i++) re[i] = fromRe[i], im[i] = fromIm[i];
    }
  }

  /** One Stockham stage: y[q + span·(r·p + k)] = w^(p·k·span) · Σ_j x[q + span·(p + m·j)] · W_r^(j·k), m = rest / r. */
  #stage(
    radix: number,
    span: number,
    xr: Float64Array,
    xi: Float64Array,
    yr: Float64Array,
    yi: Float64Array,
  ): void {
    const { length } = this;
    const cos = this.#cos, sin = this.#sin;
    const m = length / span / radix;
    const step = length / radix; // W_r = W_length^step
    for (let p = 0; p < m; p++) {
      for (let k = 0; k < radix; k++) {
        const turn = p * k * span;
        const c = cos[turn], s = sin[turn];
        for (let q = 0; q < span; q++) {
          let sumR = 0, sumI = 0;
          let at = q + span * p, root = 0;
          for (let j = 0; j < radix; j++, at += span * m, root = (root + k * step) % length) {
            const a = xr[at], b = xi[at], wr = cos[root], wi = sin[root];
            sumR += a * wr - b * wi, sumI += a * wi + b * wr;
          }
          const to = q + span * (radix * p + k);
          yr[to] = sumR * c - sumI * s, yi[to] = sumR * s + sumI * c;
        }
      }
    }
  }
}
