/** Which family serves a checkpoint folder: a predicate on config.json → loader. The GPU side, for the engine's Worker. */
import { openGpu } from "../gpu/device.ts";
import { keptProfile } from "../gpu/kept_profile.ts";
import { type Profile, PROFILES } from "../gpu/profiles.ts";
import { Runtime } from "../gpu/runtime.ts";
import { measureProfile } from "../gpu/profile.ts";
import { Checkpoint } from "../model/checkpoint.ts";
import { openVerified } from "../weights/verify.ts";
import type { Model } from "./family.ts";
import type { FamilyLoader, LoadOptions } from "./loader.ts";
import { readModelFolder } from "./model_folder.ts";
import { text } from "./text/load.ts";
import { valley1 } from "./valley1/load.ts";
import { valley2 } from "./valley2/load.ts";
import { valley2_5 } from "./valley2_5/load.ts";
import { valley3 } from "./valley3/load.ts";
import { warmUp } from "./warm_up.ts";

const FAMILIES: FamilyLoader[] = [valley3, valley2_5, valley2, valley1, text];

export const LOAD_DEFAULTS: LoadOptions = {
  precision: "f32",
  kvPrecision: "f16",
  kvBytes: 1 << 30,
  mediaBytes: 256 << 20,
  maxSequences: 8,
  maxBatchTokens: 512,
  blockSize: 16,
  batchInvariant: false,
  verify: "fast",
  profile: null,
  profileFile: null,
  onStage: () => {},
};

/** Loads a checkpoint folder onto the GPU. @throws Error naming the file, key or tensor that does not fit. */
export async function loadModel(folder: string, given: Partial<LoadOptions> = {}): Promise<Model> {
  const options = { ...LOAD_DEFAULTS, ...given };
  const { config, eosIds } = readModelFolder(folder);
  const family = FAMILIES.find((f) => f.serves(config));
  if (!family) {
    throw new Error(
      `Cannot load ${folder}: no family serves model_type ${JSON.stringify(config.model_type)}`,
    );
  }
  const runtime = new Runtime(await openGpu());
  runtime.batchInvariant = options.batchInvariant;
  options.onStage("choosing kernels");
  runtime.profile = await profileOf(runtime, options);
  let checkpoint: Checkpoint | null = null;
  try {
    options.onStage("weights");
    checkpoint = Checkpoint.open(folder, openVerified(folder, options.verify));
    const { model, media } = await family.load(runtime, checkpoint, config, { ...options, eosIds });
    checkpoint.finishChecks();
    await runtime.gpu.queue.onSubmittedWorkDone();
    options.onStage("warming up");
    await warmUp(model, media);
    const deviceMemory = () => ({ allocations: runtime.memory.live, bytes: runtime.memory.bytes });
    return Object.assign(model, { whenLost: runtime.gpu.whenLost, deviceMemory });
  } catch (error) {
    runtime.destroy();
    throw error;
  } finally {
    checkpoint?.close();
  }
}

async function profileOf(runtime: Runtime, { profile, profileFile }: LoadOptions): Promise<Profile> {
  if (typeof profile === "string") {
    if (Object.hasOwn(PROFILES, profile)) return PROFILES[profile];
    throw new Error(`Cannot use kernels ${profile}: known are ${Object.keys(PROFILES).join(", ")}`);
  }
  if (profile !== null) return profile;
  return profileFile === null ? await measureProfile(runtime) : await keptProfile(runtime, profileFile);
}
