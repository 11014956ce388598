/** Discrete Fourier transform of any length whose prime factors are small, in float64 (Stockham, mixed radix). */

export class Fft {
  readonly length: number;
  /** Factors of the length, fours first. */
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
    let [fromRe, fromIm] = [re, im];
    let [toRe, toIm] = this.#work;
    let span = 1; // product of the radices done
    for (const radix of this.#radices) {
      if (radix === 4) this.#radix4(span, fromRe, fromIm, toRe, toIm);
      else this.#anyRadix(radix, span, fromRe, fromIm, toRe, toIm);
      span *= radix;
      [fromRe, toRe] = [toRe, fromRe];
      [fromIm, toIm] = [toIm, fromIm];
    }
    if (fromRe !== re) re.set(fromRe), im.set(fromIm);
  }

  /** The inverse, without the division by the length. */
  inverse(re: Float64Array, im: Float64Array): void {
    this.transform(im, re); // exchanging the parts conjugates
  }

  /**
   * One stage, m = length / span / radix: y[q + span·(radix·p + k)] = w^(p·k·span) · Σ_j x[q + span·(p + m·j)] · w^(j·k·length/radix)
   */
  #radix4(span: number, xr: Float64Array, xi: Float64Array, yr: Float64Array, yi: Float64Array): void {
    const cos = this.#cos, sin = this.#sin;
    const m = this.length / span / 4;
    const stride = span * m;
    for (let p = 0; p < m; p++) {
      const turn = p * span;
      const c1 = cos[turn],
        s1 = sin[turn],
        c2 = cos[2 * turn],
        s2 = sin[2 * turn],
        c3 = cos[3 * turn],
        s3 = sin[3 * turn];
      const to0 = span * 4 * p;
      for (let q = 0; q < span; q++) {
        const a = q + span * p, b = a + stride, c = b + stride, d = c + stride;
        const sumAcR = xr[a] + xr[c], sumAcI = xi[a] + xi[c], difAcR = xr[a] - xr[c], difAcI = xi[a] - xi[c];
        const sumBdR = xr[b] + xr[d], sumBdI = xi[b] + xi[d], difBdR = xr[b] - xr[d], difBdI = xi[b] - xi[d];
        const to = to0 + q;
        yr[to] = sumAcR + sumBdR, yi[to] = sumAcI + sumBdI;
        let r = difAcR + difBdI, i = difAcI - difBdR;
        yr[to + span] = r * c1 - i * s1, yi[to + span] = r * s1 + i * c1;
        r = sumAcR - sumBdR, i = sumAcI - sumBdI;
        yr[to + 2 * span] = r * c2 - i * s2, yi[to + 2 * span] = r * s2 + i * c2;
        r = difAcR - difBdI, i = difAcI + difBdR;
        yr[to + 3 * span] = r * c3 - i * s3, yi[to + 3 * span] = r * s3 + i * c3;
      }
    }
  }

  #anyRadix(
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
    const stride = span * m;
    const rootR = Float64Array.from({ length: radix }, (_, k) => cos[k * length / radix]);
    const rootI = Float64Array.from({ length: radix }, (_, k) => sin[k * length / radix]);
    for (let p = 0; p < m; p++) {
      for (let k = 0; k < radix; k++) {
        const c = cos[p * k * span], s = sin[p * k * span];
        const to = span * (radix * p + k);
        for (let q = 0; q < span; q++) {
          let sumR = 0, sumI = 0;
          let at = q + span * p;
          for (let j = 0, turn = 0; j < radix; j++, at += stride) {
            sumR += xr[at] * rootR[turn] - xi[at] * rootI[turn],
              sumI += xr[at] * rootI[turn] + xi[at] * rootR[turn];
            turn += k;
            if (turn >= radix) turn -= radix;
          }
          yr[to + q] = sumR * c - sumI * s, yi[to + q] = sumR * s + sumI * c;
        }
      }
    }
  }
}
