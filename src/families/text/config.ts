/** Plain text decoders (LLaMA, Qwen2, Qwen3): the older Valleys' trunks, and what peers are compared on. */
import type { TrunkConfig } from "../../model/text_trunk.ts";

export interface TextConfig {
  trunk: TrunkConfig;
  ropeTheta: number;
  maxContext: number;
}

type Json = Record<string, unknown>;

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
  const number = (key: string, fallback?: number): number => {
    const value = json[key] ?? fallback;
    if (typeof value !== "number") throw new Error(`Cannot read config.json: ${key} is not a number`);
    return value;
  };
  const only = (key: string, allowed: unknown[]): void => {
    const value = json[key];
    if (value !== undefined && value !== null && !allowed.includes(value)) {
      throw new Error(`Cannot serve this checkpoint: ${key} is ${JSON.stringify(value)}, known: ${allowed}`);
    }
  };
  only("hidden_act", ["silu"]);
  only("mlp_bias", [false]);
  only("use_sliding_window", [false]);
  const scaling = json.rope_scaling as Json | null | undefined;
  if (scaling && (scaling.rope_type ?? scaling.type) !== "default") {
    throw new Error(
      `Cannot serve this checkpoint: rope_scaling is ${JSON.stringify(scaling)}, only the default is known`,
    );
  }
  const kind = KNOWN[json.model_type as string];
  const heads = number("num_attention_heads");
  const hidden = number("hidden_size");
  return {
    trunk: {
      vocabSize: number("vocab_size"),
      hidden,
      layers: number("num_hidden_layers"),
      heads,
      kvHeads: number("num_key_value_heads", heads),
      headDim: number("head_dim", hidden / heads),
      intermediate: number("intermediate_size"),
      eps: number("rms_norm_eps", 1e-6),
      qkNorm: kind.qkNorm,
      qkvBias: typeof json.attention_bias === "boolean" ? json.attention_bias : kind.qkvBias,
      tied: json.tie_word_embeddings === true,
    },
    ropeTheta: number("rope_theta", 10000),
    maxContext: number("max_position_embeddings", 2048),
  };
}
