/** A plain text decoder on the device: the trunk and its runner, no media. */
import type { MediaFeature, Model, ModelInfo, Sampled, SequenceStep, StepHandle } from "../family.ts";
import type { Tap } from "../../gpu/pass.ts";
import type { Runtime } from "../../gpu/runtime.ts";
import { Workspace } from "../../gpu/tensor.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import type { Precision } from "../../model/linear_spec.ts";
import { plainRope } from "../../model/rope.ts";
import { type RunnerOptions, TextRunner } from "../../model/runner.ts";
import { TextTrunk } from "../../model/text_trunk.ts";
import { refuseUnknown } from "../loader.ts";
import type { TextConfig } from "./config.ts";

export interface TextOptions extends RunnerOptions {
  precision: Precision;
  eosIds: number[];
}

const IGNORED = /rotary_emb\.inv_freq$|^lm_head\.weight/; // a tied checkpoint may repeat its head

export class TextModel implements Model {
  readonly info: ModelInfo;

  private constructor(
    readonly runtime: Runtime,
    readonly trunk: TextTrunk,
    private readonly runner: TextRunner,
    config: TextConfig,
    options: TextOptions,
  ) {
    this.info = {
      family: "text",
      vocabSize: config.trunk.vocabSize,
      hiddenSize: config.trunk.hidden,
      positionAxes: 1,
      maxContext: Math.min(config.maxContext, options.blocks * options.blockSize),
      eosIds: options.eosIds,
      modalities: [],
      numBlocks: options.blocks,
      blockSize: options.blockSize,
      maxSequences: options.maxSequences,
      maxBatchTokens: options.maxBatchTokens,
      mediaRows: 0,
      device: runtime.gpu.name,
    };
  }

  static async load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: TextConfig,
    options: TextOptions,
  ): Promise<TextModel> {
    const work = new Workspace(runtime.memory);
    const names = { trunk: "model.", head: "lm_head" };
    const trunk = TextTrunk.load(runtime, checkpoint, config.trunk, names, options.precision, work);
    refuseUnknown(checkpoint.unused(IGNORED), checkpoint);
    const rope = plainRope(config.trunk.headDim, config.ropeTheta);
    const none = { store: runtime.memory.tensor("no media", 1, config.trunk.hidden), taps: [] };
    const runner = new TextRunner(runtime, trunk, rope, none, options, work);
    await runtime.checkShaders();
    return new TextModel(runtime, trunk, runner, config, options);
  }

  encodeMedia({ kind }: MediaFeature): void {
    throw new Error(`Cannot encode ${kind}: this model takes text only`);
  }

  step(batch: SequenceStep[], tap?: Tap): StepHandle {
    return this.runner.step(batch, tap);
  }

  read(steps: readonly StepHandle[]): Promise<Sampled[][]> {
    return this.runner.read(steps);
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
