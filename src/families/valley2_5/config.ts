/** A Valley2.5 checkpoint's config.json (VALLEY2_5.md), read and checked. */
import type { TrunkConfig } from "../../model/text_trunk.ts";
import type { Qwen2VisionConfig } from "../../model/vision_qwen2vl.ts";
import { ConfigReader, type Json } from "../config_reader.ts";

export interface Valley25Config {
  text: TrunkConfig;
  vision: Qwen2VisionConfig;
  ropeTheta: number;
  /** Longest sequence in tokens: the trunk's limit, or `tokenizer_model_max_length` where that is shorter. */
  maxContext: number;
}

/** Pictures go through the Qwen2-VL tower alone (`only_navit`); a Valley2 has a second tower. */
export const isValley25 = (config: Json): boolean =>
  config.model_type === "valley" && config.only_navit === true;

/** Keys of the family's code that its inference does not read. */
const READ_BY_NOBODY = [
  "only_navit",
  "eagle_vision_tower",
  "mm_vision_tower",
  "mm_vision_select_layer",
  "mm_vision_select_feature",
  "mm_projector_type",
  "mm_hidden_size",
  "mm_use_im_start_end",
  "mm_use_im_patch_token",
  "language",
  "llm_name",
  "model_class",
  "anyres",
  "grid_pinpoints",
  "image_aspect_ratio",
  "max_pixels",
  "max_vision_token",
];

/** @throws Error naming the key that is missing, malformed or not supported. */
export function readValley25Config(json: Json): Valley25Config {
  const root = new ConfigReader(json);
  root.only("hidden_act", ["silu"]);
  root.only("attention_bias", [false]);
  root.only("use_sliding_window", [false]);
  root.only("use_special_start_end_token", [true]);
  root.plainRope();
  const heads = root.number("num_attention_heads");
  const hidden = root.number("hidden_size");
  const v = root.optional("vision_config"); // official configs have none: the numbers are fixed in the code
  v.only("hidden_act", ["quick_gelu"]);
  const width = v.number("embed_dim", 1280);
  const longest = root.number("max_position_embeddings", 32768);
  const config = {
    text: {
      vocabSize: root.number("vocab_size"),
      hidden,
      layers: root.number("num_hidden_layers"),
      heads,
      kvHeads: root.number("num_key_value_heads", heads),
      headDim: root.number("head_dim", hidden / heads),
      intermediate: root.number("intermediate_size"),
      eps: root.number("rms_norm_eps", 1e-6),
      qkNorm: true,
      qkvBias: false,
      tied: root.flag("tie_word_embeddings", false),
    },
    vision: {
      depth: v.number("depth", 32),
      hidden: width,
      heads: v.number("num_heads", 16),
      intermediate: width * v.number("mlp_ratio", 4),
      patch: v.number("patch_size", 14),
      temporalPatch: v.number("temporal_patch_size", 2),
      channels: v.number("in_channels", 3),
      merge: v.number("spatial_merge_size", 2),
      mergerHidden: root.number("navit_merger_hidden_dim"),
      outHidden: hidden,
    },
    ropeTheta: root.number("rope_theta", 1_000_000),
    maxContext: Math.min(longest, root.number("tokenizer_model_max_length", longest)),
  };
  root.warnUnread(READ_BY_NOBODY);
  return config;
}
