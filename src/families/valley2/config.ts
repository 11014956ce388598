/** A Valley2 checkpoint's config.json (VALLEY2.md; Valley-Eagle-7B, Valley2-DPO), read and checked. */
import type { TrunkConfig } from "../../model/text_trunk.ts";
import { type ClipVisionConfig, patchesOfSide } from "../../model/vision_clip.ts";
import type { Qwen2VisionConfig } from "../../model/vision_qwen2vl.ts";
import { ConfigReader, type Json } from "../config_reader.ts";
import { readQwen2Vl } from "../qwen2vl.ts";
import type { Tiling } from "./tiling.ts";

export interface Valley2Config {
  text: TrunkConfig;
  siglip: ClipVisionConfig;
  qwen2vl: Qwen2VisionConfig;
  /** Visual words of the projector. */
  words: number;
  tiling: Tiling;
  /** One picture alone is tiled; several are thumbnails only. */
  tileOneOnly: boolean;
  ropeTheta: number;
  /** Longest sequence in tokens. */
  maxContext: number;
}

/** Two towers before a Qwen2 trunk; `only_navit` is Valley2.5's. */
export const isValley2 = (config: Json): boolean =>
  config.model_type === "valley" && config.only_navit !== true && /qwen/i.test(String(config.architectures));

/** Keys that the official inference code does not read either, or that say nothing of the arithmetic. */
const READ_BY_NOBODY = [
  "max_pixels",
  "frame_max_pixels",
  "min_tile_num",
  "max_tile_num",
  "pool_out_size",
  "pixelshuffle_downsample_ratio",
  "image_aspect_ratio",
  "mm_vision_select_layer",
  "mm_vision_siglip_select_layer",
  "mm_vision_tower",
  "mm_use_im_start_end",
  "mm_use_im_patch_token",
  "language",
  "llm_name",
  "model_class",
];

/** @throws Error naming the key that is missing, malformed or not supported. */
export function readValley2Config(json: Json): Valley2Config {
  const root = new ConfigReader(json);
  root.only("use_sliding_window", [false]);
  root.only("use_special_start_end_token", [true]);
  root.only("mm_projector_type", ["ovis_conv_adapter"]);
  root.only("tokenize_function", ["softmax"]);
  root.only("mm_vision_select_feature", ["cls_patch"]);
  root.only("anyres", [true]);
  root.only("only_navit", [false]);
  root.only("token_compressor_config", []);
  root.plainRope();
  if (!root.has("eagle_vision_tower")) {
    throw new Error(
      "Cannot serve this checkpoint: eagle_vision_tower is missing, the second tower is needed",
    );
  }
  const text = root.trunk({ qkNorm: false, qkvBias: true });
  const siglip = readSiglip(root);
  const tiling = readTiling(root, siglip);
  const config = {
    text,
    siglip,
    qwen2vl: readQwen2Vl(root.optional("qwen2vl_vit_config"), text.hidden),
    words: root.number("mlp_hidden_dim", 32000),
    tiling,
    tileOneOnly: root.flag("only_crop_single_image", true),
    ropeTheta: root.number("rope_theta", 1_000_000),
    maxContext: root.maxContext(32768),
  };
  root.warnUnread(READ_BY_NOBODY);
  return config;
}

/** Official configs do not have it: so400m-patch14-384, fixed in the code. */
function readSiglip(root: ConfigReader): ClipVisionConfig {
  const v = root.optional("siglip_config");
  v.only("hidden_act", ["gelu_pytorch_tanh"]);
  const side = root.number("vit_crop_size", 384);
  const config: ClipVisionConfig = {
    kind: "siglip",
    layers: v.number("num_hidden_layers", 27),
    hidden: v.number("hidden_size", 1152),
    heads: v.number("num_attention_heads", 16),
    intermediate: v.number("intermediate_size", 4304),
    channels: v.number("num_channels", 3),
    patch: v.number("patch_size", 14),
    side: v.number("image_size", side),
    eps: v.number("layer_norm_eps", 1e-6),
  };
  if (config.side !== side) {
    throw new Error(`Cannot read config.json: vit_crop_size is ${side}, the tower takes ${config.side}`);
  }
  if (root.number("mm_hidden_size", config.hidden) !== config.hidden) {
    throw new Error(`Cannot read config.json: mm_hidden_size is not the tower's ${config.hidden}`);
  }
  return config;
}

function readTiling(root: ConfigReader, siglip: ClipVisionConfig): Tiling {
  const side = Math.floor((patchesOfSide(siglip) - 1) / 2) + 1; // after the convolution
  if (root.number("num_patches_per_side", side) !== side) {
    throw new Error(`Cannot read config.json: num_patches_per_side is not ${side}`);
  }
  const given = root.get("grid_pinpoints") ?? "(1x1),...,(3x3)";
  const range = typeof given === "string" ? /^\((\d+)x(\d+)\),\.\.\.,\((\d+)x(\d+)\)$/.exec(given) : null;
  if (!range) {
    throw new Error(
      `Cannot serve this checkpoint: grid_pinpoints is ${JSON.stringify(given)}, known: (AxB),...,(CxD)`,
    );
  }
  const [a, b, c, d] = range.slice(1).map(Number);
  if (a < 1 || b < 1 || c < a || d < b) {
    throw new Error(`Cannot read config.json: grid_pinpoints ${given} is empty`);
  }
  return {
    crop: siglip.side,
    from: [a, b],
    to: [c, d],
    side,
    maxTokens: root.number("max_vision_token", 100_000),
  };
}
