/** Which tensors become int4, which int8, and which stay as published, for all families. */
import type { Target } from "./source.ts";

/** What a tensor of this name and shape becomes; null: it stays. */
export type Rule = (name: string, shape: readonly number[]) => Extract<Target, "int4" | "int8"> | null;

/**
 * Kept: learned positions (few and read as a table), conv_out (its columns are reordered at load), biases.
 * Measured on the demo model: quantising all the rest costs nothing measurable (weights/README.md).
 * Of the older families also: what stands before and behind Valley2's softmax over visual words (measured, see
 * src/families/valley2/MODEL.md), and the projector and the frame weights of Valley (2023), which are small.
 */
const KEPT = /pos_embed|position_embedding|position_matrix|conv_out|mm_projector\.|pooling_layer|\.bias$/;

/** Matrices become int4; vectors and convolutions stay. */
export const becomesInt4: Rule = (name, shape) =>
  shape.length === 2 && shape[0] > 0 && shape[1] > 0 && !KEPT.test(name) ? "int4" : null;

/** The same, but for what is to stay also, and for what is to have 8 bits. */
export const ruleFor = (keep: RegExp | null, int8: ReadonlySet<string>): Rule => (name, shape) =>
  keep?.test(name) ? null : becomesInt4(name, shape) && (int8.has(name) ? "int8" : "int4");
