/** A published model's true shapes, to be filled with arbitrary int4: speed does not depend on the values. */
export interface TensorShape {
  name: string;
  shape: number[];
}

export interface ModelShape {
  /** config.json */
  config: Record<string, unknown>;
  tensors: TensorShape[];
  /** Values of one patch row of a picture as the family's encoder reads it (grid [1, h, w], 2 × 2 merged); null: not asked one. */
  patchWidth: number | null;
  /** "8 of 64 layers" where not all are there. */
  note?: string;
}
