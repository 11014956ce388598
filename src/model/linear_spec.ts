/** What a linear layer is made of: which tensors, in which order, held how. */

/** How float tensors are held: "f32" keeps what the file has (bf16 and f16 are exact), "f16" halves everything. */
export type Precision = "f32" | "f16";

/** A source of rows: one tensor of the checkpoint, its rows taken in order. */
export interface RowSource {
  name: string;
  n: number;
  /** Reorders the columns of one row (for example a convolution's kernel) while reading. */
  columns?: Int32Array;
  /** The tensor is [k, n]: its columns are the rows. */
  transposed?: boolean;
}

export interface LinearSpec {
  name: string;
  k: number;
  /** Concatenated along N; "interleave" takes four rows of each in turn (gate, up). */
  sources: RowSource[];
  interleave?: boolean;
  /** Bias tensors, concatenated like the sources; null: none. */
  bias: string[] | null;
  precision: Precision;
}
