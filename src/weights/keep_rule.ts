/** Which tensors become int4 and which stay as published, for all families. */

/**
 * Kept: learned positions (few and read as a table), conv_out (its columns are reordered at load), biases.
 * Measured on the demo model: quantising all the rest costs nothing measurable (weights/README.md).
 * Of the older families also: what stands before and behind Valley2's softmax over visual words (measured, see
 * src/families/valley2/MODEL.md), and the projector and the frame weights of Valley (2023), which are small.
 */
const KEPT = /pos_embed|position_embedding|position_matrix|conv_out|mm_projector\.|pooling_layer|\.bias$/;

/** Whether a tensor of this name and shape becomes int4: matrices only; vectors and convolutions stay. */
export function becomesInt4(name: string, shape: readonly number[]): boolean {
  return shape.length === 2 && shape[0] > 0 && shape[1] > 0 && !KEPT.test(name);
}
