/**
 * A text trunk with one media encoder on the device, for the families whose media only replace embeddings (no
 * deepstack, plain rotary positions): Valley2.5, Valley2, Valley (2023).
 */
import type { MediaFeature, Model, ModelInfo, Sampled, SequenceStep, StepHandle } from "./family.ts";
import type { Pass, Tap } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { rowsOf, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { plainRope } from "../model/rope.ts";
import { type RunnerOptions, TextRunner } from "../model/runner.ts";
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

/** What the config says beside the trunk. */
export interface VisualFamily {
  family: string;
  ropeTheta: number;
  maxContext: number;
}

export class VisualModel implements Model {
  readonly info: ModelInfo;
  /** Media embeddings [mediaRows, hidden]. */
  readonly #store: Tensor;
  readonly #runner: TextRunner;

  private constructor(
    readonly runtime: Runtime,
    readonly trunk: TextTrunk,
    private readonly encoder: MediaEncoder,
    private readonly work: Workspace,
    { family, ropeTheta, maxContext }: VisualFamily,
    options: VisualOptions,
  ) {
    const { vocabSize, hidden, headDim } = trunk.config;
    const { eosIds, blocks, blockSize, maxSequences, maxBatchTokens, mediaRows } = options;
    this.info = {
      family,
      vocabSize,
      hiddenSize: hidden,
      positionAxes: 1,
      maxContext: Math.min(maxContext, blocks * blockSize),
      eosIds,
      modalities: ["image", "video"],
      numBlocks: blocks,
      blockSize,
      maxSequences,
      maxBatchTokens,
      mediaRows,
      device: runtime.gpu.name,
    };
    const store = runtime.memory.tensor("media store", mediaRows, hidden);
    const rope = plainRope(headDim, ropeTheta); // CRITICAL: one-dimensional, no M-RoPE
    this.#store = store;
    this.#runner = new TextRunner(runtime, trunk, rope, { store, taps: [] }, options, work);
  }

  /** From a trunk and an encoder that are on the device. */
  static async create(
    runtime: Runtime,
    trunk: TextTrunk,
    encoder: MediaEncoder,
    work: Workspace,
    family: VisualFamily,
    options: VisualOptions,
  ): Promise<VisualModel> {
    const model = new VisualModel(runtime, trunk, encoder, work, family, options);
    await runtime.checkShaders();
    return model;
  }

  encodeMedia(feature: MediaFeature, row: number, tap?: Tap): void {
    if (this.work.collect()) this.runtime.forgetGroups();
    const pass = this.runtime.begin(`encode ${feature.kind}`, { tap });
    const out = this.work.get("media out", feature.tokens, this.#store.cols);
    const temporary = this.encoder.encode(pass, feature, out);
    pass.copy(out, rowsOf(this.#store, row, feature.tokens));
    pass.submit();
    for (const t of temporary) this.runtime.memory.free(t.buf);
    this.runtime.forgetGroups();
  }

  step(batch: SequenceStep[], tap?: Tap): StepHandle {
    return this.#runner.step(batch, tap);
  }

  read(steps: readonly StepHandle[]): Promise<Sampled[][]> {
    return this.#runner.read(steps);
  }

  /** Logits [rows · vocab] of finally normed hidden states: for golden runs, which compare many rows. */
  logitsOf(normed: Tensor): Promise<Float32Array> {
    return this.#runner.logitsOf(normed);
  }

  readBlocks(blocks: Uint32Array): Promise<Uint8Array[]> {
    return this.#runner.readBlocks(blocks);
  }

  writeBlocks(blocks: Uint32Array, data: readonly Uint8Array[]): void {
    this.#runner.writeBlocks(blocks, data);
  }

  readMedia(row: number, count: number): Promise<Uint8Array> {
    return this.#runner.readMedia(row, count);
  }

  writeMedia(row: number, count: number, data: Uint8Array): void {
    this.#runner.writeMedia(row, count, data);
  }

  destroy(): void {
    this.runtime.destroy();
  }
}
