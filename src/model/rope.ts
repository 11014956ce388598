/** Rotary angles, made on the host in float64: in-shader sin and cos are too coarse (fixtures' README). */

/** How one rotary frequency finds its position. */
export interface RopeSpec {
  /** Frequencies f_i, i < head_dim / 2. */
  frequencies: Float64Array;
  /** Which position axis frequency i uses. */
  axis: Uint8Array;
}

/** theta^(−2i/dim), all on axis 0 (LLaMA, Qwen2, Qwen3). */
export function plainRope(dim: number, theta: number): RopeSpec {
  const half = dim / 2;
  const frequencies = Float64Array.from({ length: half }, (_, i) => Math.fround(theta ** (-i / half)));
  return { frequencies, axis: new Uint8Array(half) };
}

/**
 * Interleaved M-RoPE (Qwen3-VL): frequency i uses H if i mod 3 = 1 and i < 3 · sections[1], W if i mod 3 = 2 and
 * i < 3 · sections[2], else T. CRITICAL: not contiguous sections.
 */
export function interleavedMrope(dim: number, theta: number, sections: number[]): RopeSpec {
  const rope = plainRope(dim, theta);
  for (let i = 0; i < dim / 2; i++) {
    const axis = i % 3;
    if (axis > 0 && i < 3 * sections[axis]) rope.axis[i] = axis;
  }
  return rope;
}

/**
 * Fills `out` [count, dim/2, 2] with (cos, sin) from `at` on.
 * @param positions [axes, count], row-major; may be fractional
 */
export function fillAngles(
  rope: RopeSpec,
  positions: Float32Array,
  count: number,
  out: Float32Array,
  at: number,
): void {
  const half = rope.frequencies.length;
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[rope.axis[i] * count + r] * rope.frequencies[i];
      out[at++] = Math.cos(angle);
      out[at++] = Math.sin(angle);
    }
  }
}
