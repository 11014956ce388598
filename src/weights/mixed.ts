/** Mixed precision: which matrices get 8 bits so that all together have so many bits a weight. */

/** Bits a weight of int4 and int8, scales and minima included. */
export const INT4_BITS = 5, INT8_BITS = 9;

/**
 * What loses most by four bits for each bit that it would cost to spare it, by measurement (bench/SPEED.md, "Mixed
 * precision"): KL divergence of SmolLM2-135M with one class at a time in 8 bits. Within a class the outer layers come
 * first, which were measured to matter more. What is not listed was not measured and comes last.
 */
const ORDER = [
  /\.self_attn\.v_proj\.weight$/,
  /\.mlp\.down_proj\.weight$/,
  /(^|\.)(lm_head|embed_tokens)\.weight$/,
  /\.self_attn\.k_proj\.weight$/,
  /\.mlp\.up_proj\.weight$/,
  /\.self_attn\.o_proj\.weight$/,
  /\.self_attn\.q_proj\.weight$/,
  /\.mlp\.gate_proj\.weight$/,
];

export interface Matrix {
  name: string;
  shape: readonly number[];
}

/**
 * @param matrices all that become int4 otherwise
 * @param bits a weight, on average and at most
 * @returns names of those that are to become int8
 */
export function chooseInt8(matrices: readonly Matrix[], bits: number): Set<string> {
  const size = ({ shape }: Matrix) => shape[0] * shape[1];
  const headed = matrices.some(({ name }) => /(^|\.)lm_head\./.test(name));
  const ranked = matrices.map((matrix) => {
    // With a head of its own, the embedding is only looked up: not measured.
    const known = headed && /embed_tokens/.test(matrix.name)
      ? -1
      : ORDER.findIndex((c) => c.test(matrix.name));
    return { matrix, rank: known < 0 ? ORDER.length : known, ...placeOf(matrix.name) };
  });
  const depth = new Map<string, number>();
  for (const { stack, layer } of ranked) depth.set(stack, Math.max(depth.get(stack) ?? 0, layer));
  const outer = ({ stack, layer }: { stack: string; layer: number }) =>
    Math.min(layer, depth.get(stack)! - layer);
  ranked.sort((a, b) => a.rank - b.rank || outer(a) - outer(b));
  const total = matrices.reduce((sum, m) => sum + size(m), 0);
  let spare = Math.round((bits - INT4_BITS) / (INT8_BITS - INT4_BITS) * total);
  const chosen = new Set<string>();
  for (const { matrix } of ranked) {
    if (size(matrix) > spare) continue;
    chosen.add(matrix.name);
    spare -= size(matrix);
  }
  return chosen;
}

/** The stack of layers that a tensor belongs to, and its layer there. */
function placeOf(name: string): { stack: string; layer: number } {
  const [, stack = "", layer = "0"] = /^(.*\.)?(?:layers|blocks)\.(\d+)\./.exec(name) ?? [];
  return { stack, layer: Number(layer) };
}
