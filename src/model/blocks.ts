/** Small pieces that every part of a model uses: norms, row gathers, host uploads. */
import { gatherRows, layernorm, rmsnorm } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { pad, rowSlices, rowsOf, type Tensor } from "../gpu/tensor.ts";
import type { Checkpoint } from "./checkpoint.ts";

export interface Norm {
  weight: Tensor;
  /** null: RMSNorm. */
  bias: Tensor | null;
  eps: number;
}

/** A vector [n] on the device, zero-padded. */
export function loadVector(runtime: Runtime, checkpoint: Checkpoint, name: string, n: number): Tensor {
  const t = runtime.memory.tensor(name, 1, n);
  runtime.memory.write(t.buf, 0, checkpoint.floats(name, [n]));
  return t;
}

export function loadRmsNorm(
  runtime: Runtime,
  checkpoint: Checkpoint,
  name: string,
  n: number,
  eps: number,
): Norm {
  return { weight: loadVector(runtime, checkpoint, `${name}.weight`, n), bias: null, eps };
}

export function loadLayerNorm(
  runtime: Runtime,
  checkpoint: Checkpoint,
  name: string,
  n: number,
  eps: number,
): Norm {
  return {
    ...loadRmsNorm(runtime, checkpoint, name, n, eps),
    bias: loadVector(runtime, checkpoint, `${name}.bias`, n),
  };
}

/** out = norm(x), row by row. */
export function norm(pass: Pass, n: Norm, x: Tensor, out: Tensor): void {
  const shape = { cols: x.cols, x_stride: x.stride, out_stride: out.stride, eps: n.eps };
  for (const [first, rows] of rowSlices(pass.runtime.gpu, x.rows, x.stride, out.stride)) {
    const [from, to] = [rowsOf(x, first, rows), rowsOf(out, first, rows)];
    if (n.bias) pass.run(layernorm, { x: from, weight: n.weight, bias: n.bias, out: to }, { ...shape, rows });
    else pass.run(rmsnorm, { x: from, weight: n.weight, out: to }, { ...shape, rows });
  }
}

/** A host array as a bindable tensor of 32-bit elements: a fresh buffer that the caller frees. */
export function hostTensor(
  runtime: Runtime,
  label: string,
  data: Float32Array | Uint32Array | Int32Array,
): Tensor {
  const cols = pad(Math.max(4, data.length), 4);
  return { buf: runtime.memory.upload(label, data), offset: 0, rows: 1, cols, stride: cols };
}

/** A host matrix [rows, cols], cols a multiple of 8, that a linear layer can read. The caller frees it. */
export function hostMatrix(
  runtime: Runtime,
  label: string,
  data: Float32Array,
  rows: number,
  cols: number,
): Tensor {
  const t = runtime.memory.tensor(label, rows, cols);
  if (t.stride !== cols) throw new Error(`Cannot upload ${label}: ${cols} columns are no multiple of 8`);
  runtime.memory.write(t.buf, 0, data);
  return t;
}

/** out[r] (+)= x[index[r]] (+ table[other[r]]); 0xffffffff in index leaves a row alone. */
export function gather(
  pass: Pass,
  x: Tensor,
  index: Tensor,
  out: Tensor,
  options: { add?: boolean; table?: Tensor; other?: Tensor } = {},
): void {
  pass.run(gatherRows, { x, index, table: options.table ?? x, other: options.other ?? index, out }, {
    rows: out.rows,
    cols: Math.min(x.stride, out.stride),
    x_stride: x.stride,
    out_stride: out.stride,
    table_stride: options.table?.stride ?? 0,
  }, { ADD: options.add ? 1 : 0, TABLE: options.table ? 1 : 0 });
}
