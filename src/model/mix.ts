/** Weighted sums of rows and softmax on the device. */
import { mixRows, softmaxRows } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { rowSlices, rowsOf, type Tensor } from "../gpu/tensor.ts";
import { hostTensor } from "./blocks.ts";

/** For each row of the result its parts: [row of x, index of the weight]. */
export type RowMix = readonly (readonly (readonly [row: number, weight: number])[])[];

/**
 * out[r] (+)= Σ weight[w] · x[row] over the parts of row r.
 * @param weight values, or a tensor that is on the device
 * @returns buffers to free after the submit
 */
export function mix(
  pass: Pass,
  runtime: Runtime,
  x: Tensor,
  rows: RowMix,
  weight: ArrayLike<number> | Tensor,
  out: Tensor,
  options: { add?: boolean } = {},
): Tensor[] {
  const starts = new Uint32Array(rows.length + 1);
  rows.forEach((parts, r) => starts[r + 1] = starts[r] + parts.length);
  const list = hostTensor(runtime, "mix parts", Uint32Array.from(rows.flat(2)));
  const first = hostTensor(runtime, "mix starts", starts);
  const used = [list, first];
  let weights: Tensor;
  if ("buf" in weight) weights = weight;
  else used.push(weights = hostTensor(runtime, "mix weights", Float32Array.from(weight)));
  pass.run(mixRows, { x, starts: first, parts: list, weight: weights, out }, {
    rows: rows.length,
    cols: Math.min(x.stride, out.stride),
    x_stride: x.stride,
    out_stride: out.stride,
  }, { ADD: options.add ? 1 : 0 });
  return used;
}

/** Softmax of every row, in place. */
export function softmax(pass: Pass, x: Tensor): void {
  for (const [first, rows] of rowSlices(pass.runtime.gpu, x.rows, x.stride)) {
    pass.run(softmaxRows, { x: rowsOf(x, first, rows) }, {
      rows,
      cols: x.cols,
      x_stride: x.stride,
      step: 1,
    });
  }
}

/** Softmax over the first column, in place: one value a row. */
export function softmaxDown(pass: Pass, x: Tensor): void {
  pass.run(softmaxRows, { x }, { rows: 1, cols: x.rows, x_stride: 0, step: x.stride });
}
