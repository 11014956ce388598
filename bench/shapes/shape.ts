/** A published model's true shapes, to be filled with arbitrary int4: speed does not depend on the values. */
import type { MadeUp } from "../../src/families/warm_up.ts";

/** A tensor as config.json implies it. */
export interface TensorShape {
  name: string;
  shape: number[];
}

/** A picture of 8 × 8 patches, 2 × 2 merged, two frames a patch. */
export const patchPicture = (patch: number): MadeUp => ({
  kind: "image",
  tokens: 16,
  length: 64 * 3 * 2 * patch ** 2,
  shape: [1, 8, 8],
});

export interface ModelShape {
  /** config.json */
  config: Record<string, unknown>;
  tensors: TensorShape[];
  /** What the prompt holds: a picture (for Valley (2023) a clip of two frames) of arbitrary numbers. */
  medium: MadeUp;
  /** "8 of 64 layers" where not all are there. */
  note?: string;
}
