/** Which family serves a checkpoint folder: a predicate on config.json → loader. The GPU side, for the engine's Worker. */
import { openGpu } from "../gpu/device.ts";
import { type Profile, Runtime } from "../gpu/pass.ts";
import { measureProfile } from "../gpu/profile.ts";
import { Checkpoint } from "../model/checkpoint.ts";
import { type KvPrecision, maxPlaces, placeBytes } from "../model/attention.ts";
import type { Precision } from "../model/linear.ts";
import type { Model } from "./family.ts";
import { readModelFolder } from "./model_folder.ts";
import { warmUp } from "./valley3/warm_up.ts";
import { isValley3, readValley3Config } from "./valley3/config.ts";
import { Valley3Model } from "./valley3/model.ts";

export interface LoadOptions {
  /** Of float tensors; int4 ones stay int4. */
  precision: Precision;
  kvPrecision: KvPrecision;
  /** Bytes of device memory for keys and values. */
  kvBytes: number;
  /** Bytes of device memory for media embeddings. */
  mediaBytes: number;
  maxSequences: number;
  maxBatchTokens: number;
  blockSize: number;
  /** Choices by device; null: measure them. */
  profile: Profile | null;
}

export const LOAD_DEFAULTS: LoadOptions = {
  precision: "f32",
  kvPrecision: "f16",
  kvBytes: 1 << 30,
  mediaBytes: 256 << 20,
  maxSequences: 8,
  maxBatchTokens: 512,
  blockSize: 16,
  profile: null,
};

/** Loads a checkpoint folder onto the GPU. @throws Error naming the file, key or tensor that does not fit. */
export async function loadModel(folder: string, given: Partial<LoadOptions> = {}): Promise<Model> {
  const options = { ...LOAD_DEFAULTS, ...given };
  const { config: json, eosIds } = readModelFolder(folder);
  if (!isValley3(json)) {
    throw new Error(`Cannot load ${folder}: no family serves model_type ${JSON.stringify(json.model_type)}`);
  }
  const config = readValley3Config(json);
  const runtime = new Runtime(await openGpu());
  runtime.profile = options.profile ?? await measureProfile(runtime);
  const checkpoint = Checkpoint.open(folder);
  try {
    const { text } = config;
    const bytes = placeBytes(text.kvHeads, text.headDim, options.kvPrecision);
    const blocks = Math.min(
      Math.floor(maxPlaces(runtime, bytes) / options.blockSize),
      Math.floor(options.kvBytes / (2 * text.layers * bytes * options.blockSize)),
      Math.ceil(config.maxContext / options.blockSize) * options.maxSequences,
    );
    const rowBytes = text.hidden * 4;
    const mediaRows = Math.min(
      Math.floor(runtime.gpu.limits.storageBinding / rowBytes),
      Math.floor(options.mediaBytes / (rowBytes * (1 + config.vision.deepstack.length))),
      2 * config.maxContext,
    );
    const model = await Valley3Model.load(runtime, checkpoint, config, {
      ...options,
      blocks,
      mediaRows,
      eosIds,
    });
    await warmUp(model);
    return model;
  } catch (error) {
    runtime.destroy();
    throw error;
  } finally {
    checkpoint.close();
  }
}
