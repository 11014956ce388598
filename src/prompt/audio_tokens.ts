/** How many prompt tokens a sound fills (Qwen3-Omni's encoder): chunks of 100 mel frames, 13 tokens a whole chunk. */

const CHUNK = 100, CHUNK_TOKENS = 13;

/** Tokens of `frames` mel frames: the rest of a chunk shrinks by three convolutions of stride 2. */
export function audioTokens(frames: number): number {
  const rest = frames % CHUNK;
  const a = Math.floor((rest - 1) / 2) + 1;
  const b = Math.floor((a - 1) / 2) + 1;
  const c = Math.floor((b - 1) / 2) + 1;
  return c + CHUNK_TOKENS * Math.floor(frames / CHUNK);
}
