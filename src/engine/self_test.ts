/** A few tokens before the first request: what the model draws must be the same each time, and no nonsense. */

import type { Model, Sampled, Sampling } from "../families/family.ts";

const TOKENS = 24, CANDIDATES = 5;
const GREEDY: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0, logprobs: CANDIDATES };

/**
 * The same prompt twice in one piece, then its last token by itself: the first two must agree in full, and the token
 * drawn last must be among the likeliest of before. Overwrites the first KV blocks. @throws Error saying what differs.
 */
export async function selfTest(model: Model): Promise<void> {
  const { vocabSize, blockSize, numBlocks, maxBatchTokens } = model.info;
  const length = Math.min(TOKENS, blockSize * numBlocks, maxBatchTokens, vocabSize);
  if (length < 2) return;
  const ids = Uint32Array.from({ length }, (_, i) => Math.floor(i * vocabSize / length));
  const first = await draw(model, ids, 0), again = await draw(model, ids, 0);
  if (first.id !== again.id || first.logprob !== again.logprob) {
    throw new Error(`The self-test failed: the same prompt gave token ${first.id}, then ${again.id}`);
  }
  const probability = Math.exp(first.logprob ?? NaN);
  if (!(probability > 0 && probability <= 1.001)) {
    throw new Error(`The self-test failed: token ${first.id} has probability ${probability}`);
  }
  const last = await draw(model, ids, length - 1);
  if (!first.top?.some(({ id }) => id === last.id)) {
    throw new Error(`The self-test failed: decoding gave token ${last.id}, the whole prompt ${first.id}`);
  }
}

/** The token after `ids`, of which those from `start` are computed. */
async function draw(model: Model, ids: Uint32Array, start: number): Promise<Sampled> {
  const { blockSize, positionAxes } = model.info;
  const own = ids.slice(start);
  const positions = Float32Array.from(
    { length: positionAxes * own.length },
    (_, i) => start + i % own.length,
  );
  const blocks = Uint32Array.from({ length: Math.ceil(ids.length / blockSize) }, (_, i) => i);
  const step = model.step([{ slot: 0, ids: own, start, positions, mediaRows: null, blocks, sample: GREEDY }]);
  const [[sampled]] = await model.read([step]);
  return sampled;
}
