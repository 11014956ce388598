/**
 * Valley3 on the device: text trunk with interleaved M-RoPE and deepstack, vision tower, audio encoder and connector.
 * Reads like the paper's figure: media → media store; tokens (+ store) → trunk → logits → ids.
 */
import type { MediaFeature, Model, ModelInfo, Sampled, SequenceStep, StepHandle } from "../family.ts";
import type { Tap } from "../../gpu/pass.ts";
import type { Runtime } from "../../gpu/runtime.ts";
import { rowsOf, type Tensor, Workspace } from "../../gpu/tensor.ts";
import { AudioEncoder } from "../../model/audio_aut.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import type { Precision } from "../../model/linear_spec.ts";
import { interleavedMrope } from "../../model/rope.ts";
import { type RunnerOptions, TextRunner } from "../../model/runner.ts";
import { TextTrunk } from "../../model/text_trunk.ts";
import { VisionTower } from "../../model/vision_qwen3vl.ts";
import { refuseUnknown } from "../loader.ts";
import type { Valley3Config } from "./config.ts";

export interface Valley3Options extends RunnerOptions {
  precision: Precision;
  mediaRows: number;
  eosIds: number[];
}

/** Tensors of a checkpoint that nothing computes with. */
const IGNORED = /rotary_emb\.inv_freq$/;

export class Valley3Model implements Model {
  readonly info: ModelInfo;

  private constructor(
    readonly runtime: Runtime,
    readonly trunk: TextTrunk,
    private readonly vision: VisionTower,
    private readonly audio: AudioEncoder,
    private readonly runner: TextRunner,
    /** Media embeddings [mediaRows, hidden], and one store a deepstack tap. */
    private readonly store: Tensor,
    private readonly taps: Tensor[],
    private readonly work: Workspace,
    config: Valley3Config,
    options: Valley3Options,
  ) {
    this.info = {
      family: "valley3",
      vocabSize: config.text.vocabSize,
      hiddenSize: config.text.hidden,
      positionAxes: 3,
      maxContext: Math.min(config.maxContext, options.blocks * options.blockSize),
      eosIds: options.eosIds,
      modalities: ["image", "video", "audio"],
      numBlocks: options.blocks,
      blockSize: options.blockSize,
      maxSequences: options.maxSequences,
      maxBatchTokens: options.maxBatchTokens,
      mediaRows: options.mediaRows,
      device: runtime.gpu.name,
    };
  }

  static async load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: Valley3Config,
    options: Valley3Options,
  ): Promise<Valley3Model> {
    const { precision } = options;
    const work = new Workspace(runtime.memory);
    const trunk = TextTrunk.load(
      runtime,
      checkpoint,
      config.text,
      { trunk: "model.language_model.", head: "lm_head" },
      precision,
      work,
    );
    const vision = VisionTower.load(runtime, checkpoint, config.vision, "model.visual.", precision, work);
    const audio = AudioEncoder.load(
      runtime,
      checkpoint,
      config.audio,
      { encoder: "model.audio_encoder.encoder.", connector: "model.audio_connector." },
      precision,
      work,
    );
    refuseUnknown(checkpoint.unused(IGNORED), checkpoint);
    const store = runtime.memory.tensor("media store", options.mediaRows, config.text.hidden);
    const taps = config.vision.deepstack.map((_, k) =>
      runtime.memory.tensor(`deepstack store ${k}`, options.mediaRows, config.text.hidden)
    );
    const rope = interleavedMrope(config.text.headDim, config.ropeTheta, config.mropeSections);
    const runner = new TextRunner(runtime, trunk, rope, { store, taps }, options, work);
    const model = new Valley3Model(runtime, trunk, vision, audio, runner, store, taps, work, config, options);
    await runtime.checkShaders();
    return model;
  }

  /** Widths of one patch and of one mel frame, and the merge size. */
  get shapes(): { vision: number; audio: number; merge: number } {
    const { channels, temporalPatch, patch, merge } = this.vision.config;
    return { vision: channels * temporalPatch * patch ** 2, audio: this.audio.config.melBins, merge };
  }

  encodeMedia(feature: MediaFeature, row: number, tap?: Tap): void {
    if (this.work.collect()) this.runtime.forgetGroups();
    const { tokens } = feature;
    const pass = this.runtime.begin(`encode ${feature.kind}`, { tap });
    let temporary: Tensor[];
    if (feature.kind === "audio") {
      const out = this.work.get("media out", tokens, this.store.cols);
      temporary = this.audio.encode(pass, feature.data, feature.shape[1], out);
      pass.copy(out, rowsOf(this.store, row, tokens));
      for (const t of this.taps) pass.clear(rowsOf(t, row, tokens)); // deepstack is for visual tokens only (CRITICAL)
    } else {
      const out = this.work.get("media out", tokens, this.store.cols);
      const deepstack = this.taps.map((t, k) => this.work.get(`deepstack out ${k}`, tokens, t.cols));
      temporary = this.vision.encode(pass, feature.data, feature.shape, { merged: out, deepstack });
      pass.copy(out, rowsOf(this.store, row, tokens));
      deepstack.forEach((d, k) => pass.copy(d, rowsOf(this.taps[k], row, tokens)));
    }
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
