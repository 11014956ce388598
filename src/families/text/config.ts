/** Plain text decoders (LLaMA, Qwen2, Qwen3): the older Valleys' trunks, and what peers are compared on. */
import type { TrunkConfig } from "../../model/text_trunk.ts";
import { ConfigReader, type Json } from "../config_reader.ts";

export interface TextConfig {
  trunk: TrunkConfig;
  ropeTheta: number;
  maxContext: number;
}

const KNOWN: Record<string, { qkNorm: boolean; qkvBias: boolean }> = {
  llama: { qkNorm: false, qkvBias: false },
  qwen2: { qkNorm: false, qkvBias: true },
  qwen3: { qkNorm: true, qkvBias: false },
};

export const isTextModel = (config: Json): boolean =>
  typeof config.model_type === "string" && Object.hasOwn(KNOWN, config.model_type) &&
  !("vision_config" in config) &&
  !/valley/i.test(String((config.architectures as string[] | undefined)?.[0] ?? ""));

/** @throws Error naming the key that is missing, malformed or not supported. */
export function readTextConfig(json: Json): TextConfig {
  const root = new ConfigReader(json);
  root.only("mlp_bias", [false]);
  root.only("use_sliding_window", [false]);
  root.plainRope();
  const { qkNorm, qkvBias } = KNOWN[json.model_type as string];
  return {
    trunk: root.trunk({ qkNorm, qkvBias: root.flag("attention_bias", qkvBias) }),
    ropeTheta: root.number("rope_theta", 10000),
    maxContext: root.number("max_position_embeddings", 2048),
  };
}
