/** A config.json of Valley (2023) (VALLEY1.md), read and checked. */
import type { FramePoolingConfig } from "../../model/frame_pooling.ts";
import type { TrunkConfig } from "../../model/text_trunk.ts";
import { type ClipVisionConfig, patchesOfSide } from "../../model/vision_clip.ts";
import { ConfigReader, type Json } from "../config_reader.ts";
import type { MarkerIds } from "./splice.ts";

export interface Valley1Config {
  text: TrunkConfig;
  /** `layers`: the blocks that count, up to the selected one. */
  vision: ClipVisionConfig;
  pooling: FramePoolingConfig;
  ropeTheta: number;
  /** Longest sequence in tokens. */
  maxContext: number;
  /** Where the config names them (the fixtures' do); else the tokenizer does. */
  markers: MarkerIds | null;
}

/** LLaMA behind CLIP; the later Valleys of the same `model_type` are Qwen's. */
export const isValley1 = (config: Json): boolean =>
  config.model_type === "valley" && config.only_navit !== true && /llama/i.test(String(config.architectures));

const READ_BY_NOBODY = ["mm_vision_tower", "tune_mm_mlp_adapter", "freeze_mm_mlp_adapter"];

/** @throws Error naming the key that is missing, malformed or not supported. */
export function readValley1Config(json: Json): Valley1Config {
  const root = new ConfigReader(json);
  root.only("attention_bias", [false]);
  root.only("mlp_bias", [false]);
  root.only("use_mm_proj", [true]);
  root.only("mm_use_im_start_end", [true]); // without the markers the official code splices nothing
  root.only("sep_image_conv_front", [false]);
  root.plainRope();
  const text = root.trunk({ qkNorm: false, qkvBias: false });
  const { vision, markers } = readVision(root);
  if (root.number("mm_hidden_size", vision.hidden) !== vision.hidden) {
    throw new Error(`Cannot read config.json: mm_hidden_size is not the tower's ${vision.hidden}`);
  }
  const delta = root.flag("use_delta_transformer", false);
  const importance = root.flag("use_patch_importance_pooling", false);
  const config = {
    text,
    vision,
    pooling: {
      variant: delta ? "v3" as const : importance ? "v2" as const : "v1" as const,
      hidden: text.hidden,
      patches: patchesOfSide(vision) ** 2,
    },
    ropeTheta: root.number("rope_theta", 10_000),
    maxContext: root.maxContext(2048),
    markers,
  };
  root.warnUnread(READ_BY_NOBODY);
  return config;
}

/** Official configs say nothing of the tower: CLIP ViT-L/14 at 224 pixels. */
function readVision(root: ConfigReader): { vision: ClipVisionConfig; markers: MarkerIds | null } {
  const v = root.optional("vision_config");
  v.only("hidden_act", ["quick_gelu"]);
  const layers = v.number("num_hidden_layers", 24);
  const selected = root.get("mm_vision_select_layer") ?? -1;
  // CRITICAL: hidden states count from what the first block gets; −2 of 24 blocks is the output of block 22.
  const run = typeof selected === "number" && selected < 0 ? layers + 1 + selected : selected;
  if (typeof run !== "number" || !Number.isInteger(run) || run < 0 || run > layers) {
    throw new Error(`Cannot read config.json: mm_vision_select_layer ${selected} is no layer of ${layers}`);
  }
  return {
    vision: {
      kind: "clip",
      layers: run,
      hidden: v.number("hidden_size", 1024),
      heads: v.number("num_attention_heads", 16),
      intermediate: v.number("intermediate_size", 4096),
      channels: v.number("num_channels", 3),
      patch: v.number("patch_size", 14),
      side: v.number("image_size", 224),
      eps: v.number("layer_norm_eps", 1e-5),
    },
    markers: v.has("im_patch_token")
      ? {
        imPatch: v.number("im_patch_token"),
        imStart: v.number("im_start_token"),
        imEnd: v.number("im_end_token"),
        viStart: v.number("vi_start_token"),
        viEnd: v.number("vi_end_token"),
        viFrame: v.number("vi_frame_token"),
      }
      : null,
  };
}
