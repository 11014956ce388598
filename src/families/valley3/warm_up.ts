/**
 * The first use of a kernel costs its compilation. A made-up picture, sound and prompt go through the model while it
 * loads, so that the first request finds everything compiled, and a device that computes nonsense is found out.
 */
import type { SequenceStep } from "../family.ts";
import { audioTokens } from "../../model/audio_aut.ts";
import type { Valley3Model } from "./model.ts";

const FRAMES = 120; // two chunks: the padded one too
const GRID = [1, 8, 8];
const SAMPLE = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };

/** @throws Error when the device draws an id outside the vocabulary. Uses media rows and KV blocks from 0 on. */
export async function warmUp(model: Valley3Model): Promise<void> {
  const { vision, audio, merge } = model.shapes;
  const rows = GRID[0] * GRID[1] * GRID[2];
  const tokens = rows / merge ** 2;
  const sound = audioTokens(FRAMES);
  const noise = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7));
  model.encodeMedia({ kind: "image", digest: "", tokens, data: noise(rows * vision), shape: GRID }, 0);
  model.encodeMedia(
    { kind: "audio", digest: "", tokens: sound, data: noise(audio * FRAMES), shape: [audio, FRAMES] },
    tokens,
  );
  const count = Math.min(tokens + sound + 8, model.info.blockSize * model.info.numBlocks - 2);
  const blocks = Uint32Array.from({ length: Math.ceil((count + 2) / model.info.blockSize) }, (_, i) => i);
  const step = (start: number, ids: Uint32Array | null, mediaRows: Int32Array | null): SequenceStep => ({
    slot: 0,
    ids,
    start,
    positions: new Float32Array(3 * (ids?.length ?? 1)).fill(start),
    mediaRows,
    blocks,
    sample: SAMPLE,
  });
  const media = Int32Array.from({ length: count }, (_, i) => i < tokens + sound ? i : -1);
  const handles = [
    model.step([step(0, new Uint32Array(count).fill(1), media)]),
    model.step([step(count, null, null)]),
  ];
  for (const [drawn] of await model.read(handles)) {
    if (drawn.id >= model.info.vocabSize) {
      throw new Error(
        `Cannot use ${model.info.device}: it drew id ${drawn.id} of ${model.info.vocabSize} in the self-test`,
      );
    }
  }
}
