/**
 * A text trunk with one media encoder on the device, for the families whose media only replace embeddings (no
 * deepstack, plain rotary positions): Valley2.5, Valley2, Valley (2023).
 */
import type { MediaFeature, Model, ModelInfo, Sampled, SequenceStep, StepHandle } from "./family.ts";
import type { Pass, Tap } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { rowsOf, type Tensor, type Workspace } from "../gpu/tensor.ts";
import type { RunnerOptions, TextRunner } from "../model/runner.ts";
import type { TextTrunk } from "../model/text_trunk.ts";

export interface MediaEncoder {
  /**
   * Encodes one medium to `out` [feature.tokens, hidden].
   * @returns buffers to free after the submit
   * @throws Error when the feature's shape and length do not fit
   */
  encode(pass: Pass, feature: MediaFeature, out: Tensor): Tensor[];
}

export interface VisualOptions extends RunnerOptions {
  mediaRows: number;
  eosIds: number[];
}

/** What `ModelInfo` says of such a model. */
export function visualInfo(
  runtime: Runtime,
  family: { name: string; vocabSize: number; hidden: number; maxContext: number },
  options: VisualOptions,
): ModelInfo {
  return {
    family: family.name,
    vocabSize: family.vocabSize,
    hiddenSize: family.hidden,
    positionAxes: 1,
    maxContext: Math.min(family.maxContext, options.blocks * options.blockSize),
    eosIds: options.eosIds,
    modalities: ["image", "video"],
    numBlocks: options.blocks,
    blockSize: options.blockSize,
    maxSequences: options.maxSequences,
    maxBatchTokens: options.maxBatchTokens,
    mediaRows: options.mediaRows,
    device: runtime.gpu.name,
  };
}

export class VisualModel implements Model {
  constructor(
    readonly info: ModelInfo,
    readonly runtime: Runtime,
    readonly trunk: TextTrunk,
    private readonly encoder: MediaEncoder,
    private readonly runner: TextRunner,
    /** Media embeddings [mediaRows, hidden]. */
    private readonly store: Tensor,
    private readonly work: Workspace,
  ) {}

  encodeMedia(feature: MediaFeature, row: number, tap?: Tap): void {
    if (this.work.collect()) this.runtime.forgetGroups();
    const pass = this.runtime.begin(`encode ${feature.kind}`, { tap });
    const out = this.work.get("media out", feature.tokens, this.store.cols);
    const temporary = this.encoder.encode(pass, feature, out);
    pass.copy(out, rowsOf(this.store, row, feature.tokens));
    pass.submit();
    for (const t of temporary) this.runtime.memory.free(t.buf);
    this.runtime.forgetGroups();
  }

  step(batch: SequenceStep[], tap?: Tap): StepHandle {
    return this.runner.step(batch, tap);
  }

  read(steps: readonly StepHandle[]): Promise<Sampled[][]> {
    return this.runner.read(steps);
  }

  /** Logits [rows · vocab] of finally normed hidden states: for golden runs, which compare many rows. */
  logitsOf(normed: Tensor): Promise<Float32Array> {
    return this.runner.logitsOf(normed);
  }

  readBlocks(blocks: Uint32Array): Promise<Uint8Array[]> {
    return this.runner.readBlocks(blocks);
  }

  writeBlocks(blocks: Uint32Array, data: readonly Uint8Array[]): void {
    this.runner.writeBlocks(blocks, data);
  }

  readMedia(row: number, count: number): Promise<Uint8Array> {
    return this.runner.readMedia(row, count);
  }

  writeMedia(row: number, count: number, data: Uint8Array): void {
    this.runner.writeMedia(row, count, data);
  }

  destroy(): void {
    this.runtime.destroy();
  }
}

const SAMPLE = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };

/**
 * Compiles every kernel before the first request: a made-up medium and prompt, then one decoded token.
 * Uses media rows and KV blocks from 0 on. @throws Error when the device draws an id outside the vocabulary.
 */
export async function warmUpVisual(model: VisualModel, feature: MediaFeature): Promise<void> {
  const { info } = model;
  model.encodeMedia(feature, 0);
  const count = Math.min(feature.tokens + 8, info.blockSize * info.numBlocks - 2, info.maxBatchTokens);
  const blocks = Uint32Array.from({ length: Math.ceil((count + 2) / info.blockSize) }, (_, i) => i);
  const step = (start: number, ids: Uint32Array | null, mediaRows: Int32Array | null): SequenceStep => ({
    slot: 0,
    ids,
    start,
    positions: Float32Array.from({ length: ids?.length ?? 1 }, (_, i) => start + i),
    mediaRows,
    blocks,
    sample: SAMPLE,
  });
  const media = Int32Array.from({ length: count }, (_, i) => i < feature.tokens ? i : -1);
  const handles = [
    model.step([step(0, new Uint32Array(count).fill(1), media)]),
    model.step([step(count, null, null)]),
  ];
  for (const [drawn] of await model.read(handles)) {
    if (drawn.id >= info.vocabSize) {
      throw new Error(
        `Cannot use ${info.device}: it drew id ${drawn.id} of ${info.vocabSize} in the self-test`,
      );
    }
  }
}
