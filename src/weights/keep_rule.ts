/** Which tensors become int4 and which stay as published. Families may bring their own rule; this is Valley3's. */

/**
 * Kept: learned positions (few and read as a table), conv_out (its columns are reordered at load), biases.
 * Measured on the demo model: quantising all the rest costs nothing measurable (weights/README.md).
 */
const KEPT = /pos_embed|position_embedding|conv_out|\.bias$/;

/** Whether a tensor of this name and shape becomes int4: matrices only; vectors and convolutions stay. */
export function becomesInt4(name: string, shape: readonly number[]): boolean {
  return shape.length === 2 && shape[0] > 0 && shape[1] > 0 && !KEPT.test(name);
}
