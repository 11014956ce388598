/** A published model's true shapes, to be filled with arbitrary int4: speed does not depend on the values. */
export interface TensorShape {
  name: string;
  shape: number[];
}

export interface ModelShape {
  /** config.json */
  config: Record<string, unknown>;
  tensors: TensorShape[];
}
