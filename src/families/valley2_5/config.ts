/** A Valley2.5 checkpoint's config.json (VALLEY2_5.md), read and checked. */
import type { TrunkConfig } from "../../model/text_trunk.ts";
import type { Qwen2VisionConfig } from "../../model/vision_qwen2vl.ts";
import { ConfigReader, type Json } from "../config_reader.ts";
import { readQwen2Vl } from "../qwen2vl.ts";

export interface Valley25Config {
  text: TrunkConfig;
  vision: Qwen2VisionConfig;
  ropeTheta: number;
  /** Longest sequence in tokens. */
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
  root.only("attention_bias", [false]);
  root.only("use_sliding_window", [false]);
  root.only("use_special_start_end_token", [true]);
  root.plainRope();
  const text = root.trunk({ qkNorm: true, qkvBias: false });
  const config = {
    text,
    vision: {
      ...readQwen2Vl(root.optional("vision_config"), text.hidden),
      mergerHidden: root.number("navit_merger_hidden_dim"),
    },
    ropeTheta: root.number("rope_theta", 1_000_000),
    maxContext: root.maxContext(32768),
  };
  root.warnUnread(READ_BY_NOBODY);
  return config;
}
