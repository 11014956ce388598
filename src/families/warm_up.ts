/**
 * The first use of a kernel costs its compilation. Made-up media and a made-up prompt go through a model while it loads,
 * so that the first request finds everything compiled, and a device that computes nonsense is found out.
 */
import type { MediaFeature, Model, SequenceStep } from "./family.ts";

/** Tokens of the made-up prompt at most: more use no other kernels, and take minutes for a big model on a CPU. */
const PROMPT = 64;
/** Tokens of the step after it: as few rows as some streams that decode together have. */
const FEW = 4;
const SAMPLE = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };

/** A medium without its numbers. */
export interface MadeUp extends Pick<MediaFeature, "kind" | "tokens" | "shape"> {
  /** Numbers of it. */
  length: number;
}

/** Uses media rows and KV blocks from 0 on. @throws Error when the device draws an id outside the vocabulary. */
export async function warmUp(model: Model, media: readonly MadeUp[]): Promise<void> {
  const { info } = model;
  let tokens = 0;
  for (const { length, ...medium } of media) {
    const data = Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7));
    model.encodeMedia({ ...medium, digest: "", data }, tokens);
    tokens += medium.tokens;
  }
  const room = info.blockSize * info.numBlocks - FEW - 2;
  const count = Math.min(tokens + 8, PROMPT, room, info.maxBatchTokens);
  const blocks = Uint32Array.from({ length: Math.ceil((count + FEW + 2) / info.blockSize) }, (_, i) => i);
  const step = (start: number, ids: Uint32Array | null, mediaRows: Int32Array | null): SequenceStep => {
    const rows = ids?.length ?? 1;
    const positions = Float32Array.from({ length: info.positionAxes * rows }, (_, i) => start + i % rows);
    return { slot: 0, ids, start, positions, mediaRows, blocks, sample: SAMPLE };
  };
  const rows = Int32Array.from({ length: count }, (_, i) => i < tokens ? i : -1);
  const handles = [
    model.step([step(0, new Uint32Array(count).fill(1), rows)]),
    model.step([step(count, new Uint32Array(FEW).fill(1), null)]),
    model.step([step(count + FEW, null, null)]),
  ];
  for (const [drawn] of await model.read(handles)) {
    if (drawn.id >= info.vocabSize) {
      throw new Error(
        `Cannot use ${info.device}: it drew id ${drawn.id} of ${info.vocabSize} in the self-test`,
      );
    }
  }
}
