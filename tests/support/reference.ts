/** CPU references of every kernel, in float64, written from the formulas and not from the shaders. */

export function erf(z: number): number { // series and continued fraction, 1e-15
  const x = Math.abs(z);
  let value: number;
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 120; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    value = 2 / Math.sqrt(Math.PI) * sum;
  } else {
    let f = 0;
    for (let k = 60; k > 0; k--) f = k / 2 / (x + f);
    value = 1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
  }
  return z < 0 ? -value : value;
}

export const activations: Record<string, (v: number) => number> = {
  none: (v) => v,
  gelu_erf: (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  gelu_tanh: (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
  quick_gelu: (v) => v / (1 + Math.exp(-1.702 * v)),
  silu: (v) => v / (1 + Math.exp(-v)),
  relu: (v) => Math.max(v, 0),
};

/** x [m, k] · wᵀ [n, k] + bias [n]. */
export function linear(
  x: Float32Array,
  w: Float32Array,
  bias: Float32Array | null,
  m: number,
  n: number,
  k: number,
) {
  const out = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    for (let c = 0; c < n; c++) {
      let sum = bias ? bias[c] : 0;
      for (let i = 0; i < k; i++) sum += x[r * k + i] * w[c * k + i];
      out[r * n + c] = sum;
    }
  }
  return out;
}

export function rmsnorm(x: Float32Array, weight: Float32Array, rows: number, cols: number, eps: number) {
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    let square = 0;
    for (let i = 0; i < cols; i++) square += x[r * cols + i] ** 2;
    const scale = 1 / Math.sqrt(square / cols + eps);
    for (let i = 0; i < cols; i++) out[r * cols + i] = x[r * cols + i] * scale * weight[i];
  }
  return out;
}

export function layernorm(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  rows: number,
  cols: number,
  eps: number,
) {
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * cols, (r + 1) * cols);
    const mean = row.reduce((a, b) => a + b, 0) / cols;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / cols;
    for (let i = 0; i < cols; i++) {
      out[r * cols + i] = (row[i] - mean) / Math.sqrt(variance + eps) * weight[i] + bias[i];
    }
  }
  return out;
}

/**
 * softmax(q · k / √dim) · v for one query over keys [from, to).
 * @param key value of element i of key t (and of value t)
 */
export function attend(
  q: ArrayLike<number>,
  dim: number,
  from: number,
  to: number,
  key: (t: number, i: number) => number,
  value: (t: number, i: number) => number,
): Float64Array {
  const scores: number[] = [];
  for (let t = from; t < to; t++) {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += q[i] * key(t, i);
    scores.push(sum / Math.sqrt(dim));
  }
  const top = Math.max(...scores);
  const e = scores.map((s) => Math.exp(s - top));
  const whole = e.reduce((a, b) => a + b, 0);
  const out = new Float64Array(dim);
  e.forEach((p, j) => {
    for (let i = 0; i < dim; i++) out[i] += p / whole * value(from + j, i);
  });
  return out;
}

/** Squared error over squared norm. */
export function nmse(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new Error(`${got.length} values, expected ${want.length}`);
  let error = 0;
  let square = 0;
  for (let i = 0; i < want.length; i++) {
    error += (got[i] - want[i]) ** 2;
    square += want[i] ** 2;
  }
  return square === 0 ? error : error / square;
}
