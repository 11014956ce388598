/** What a family tells the runner of model cases: how its inputs are read and its model is loaded. */
import type { MediaFeature, Model, SequenceStep, StepHandle } from "../../src/families/family.ts";
import type { Tap } from "../../src/gpu/pass.ts";
import type { Runtime } from "../../src/gpu/runtime.ts";
import { type SafetensorsFile, toFloat32 } from "../../src/gpu/safetensors.ts";
import type { Tensor } from "../../src/gpu/tensor.ts";
import type { Checkpoint } from "../../src/model/checkpoint.ts";
import type { RunnerOptions } from "../../src/model/runner.ts";

export interface Inputs {
  ids: Uint32Array;
  /** Position axes. */
  axes: number;
  /** [axes, ids.length] */
  positions: Float32Array;
  ropeDelta: number;
  media: MediaFeature[];
  /** Media-store row of each prompt token or −1. */
  mediaRows: Int32Array;
}

/** A model whose intermediates can be listened to. */
export interface GoldenModel extends Model {
  encodeMedia(feature: MediaFeature, row: number, tap?: Tap): void;
  step(batch: SequenceStep[], tap?: Tap): StepHandle;
  logitsOf(normed: Tensor): Promise<Float32Array>;
}

export interface GoldenFamily<Config> {
  readConfig(json: Record<string, unknown>): Config;
  readInputs(file: SafetensorsFile, config: Config): Inputs;
  load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: Config,
    options: RunnerOptions & { precision: "f32" | "f16"; mediaRows: number; eosIds: number[] },
  ): Promise<GoldenModel>;
  /** Intermediates of which the fixtures hold the first values only. */
  partial?: RegExp;
}

/** Float32 values of a tensor in any dtype. @throws Error when it is not there. */
export function values(file: SafetensorsFile, name: string): { data: Float32Array; shape: number[] } {
  const info = file.tensors.get(name);
  if (!info) throw new Error(`${file.path} has no ${name}`);
  return { data: toFloat32(file.read(name), info.dtype), shape: info.shape };
}
