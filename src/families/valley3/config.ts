/** A Valley3 checkpoint's config.json, read and checked. Unknown shapes fail here and not at token 400. */
import type { AudioConfig } from "../../model/audio_aut.ts";
import type { TrunkConfig } from "../../model/text_trunk.ts";
import type { VisionConfig } from "../../model/vision_qwen3vl.ts";
import { ConfigReader, type Json } from "../config_reader.ts";

export interface Valley3Tokens {
  image: number;
  video: number;
  audio: number;
  audioStart: number;
  audioEnd: number;
  visionStart: number;
  visionEnd: number;
}

export interface Valley3Config {
  text: TrunkConfig;
  vision: VisionConfig;
  audio: AudioConfig;
  ropeTheta: number;
  mropeSections: number[];
  maxContext: number;
  tokens: Valley3Tokens;
  /** Used by positions; the processor interleaves by its own value (13). */
  positionIdPerSeconds: number;
}

export const isValley3 = (config: Json): boolean =>
  config.model_type === "valley_omni" ||
  (config.architectures as string[] | undefined)?.[0]?.startsWith("ValleyOmni") === true;

/** @throws Error naming the key that is missing, malformed or not supported. */
export function readValley3Config(json: Json): Valley3Config {
  const root = new ConfigReader(json);
  const t = root.object("text_config");
  const v = root.object("vision_config");
  const a = root.object("audio_config");
  t.only("attention_bias", [false]);
  v.only("hidden_act", ["gelu_pytorch_tanh"]);
  a.only("activation_function", ["gelu"]);
  a.only("scale_embedding", [false]);
  root.only("audio_encoder_type", ["qwen3_omni_moe"]);
  root.only("apply_audio_downsample", [false]);
  const rope = t.get("rope_parameters")
    ? t.object("rope_parameters")
    : t.get("rope_scaling")
    ? t.object("rope_scaling")
    : null;
  if (!rope) {
    throw new Error("Cannot read config.json: text_config has neither rope_parameters nor rope_scaling");
  }
  rope.only("rope_type", ["default", "mrope"]);
  rope.only("mrope_interleaved", [true]);
  const text = t.trunk({ qkNorm: true, qkvBias: false });
  return {
    text: { ...text, tied: root.flag("tie_word_embeddings", text.tied) },
    vision: {
      depth: v.number("depth"),
      hidden: v.number("hidden_size"),
      heads: v.number("num_heads"),
      intermediate: v.number("intermediate_size"),
      patch: v.number("patch_size", 16),
      temporalPatch: v.number("temporal_patch_size", 2),
      channels: v.number("in_channels", 3),
      merge: v.number("spatial_merge_size", 2),
      outHidden: v.number("out_hidden_size"),
      positions: v.number("num_position_embeddings"),
      deepstack: v.numbers("deepstack_visual_indexes"),
    },
    audio: {
      melBins: a.number("num_mel_bins", 128),
      layers: a.number("encoder_layers"),
      heads: a.number("encoder_attention_heads"),
      ffn: a.number("encoder_ffn_dim"),
      dModel: a.number("d_model"),
      convChannels: a.number("downsample_hidden_size"),
      outputDim: a.number("output_dim"),
      connectorHidden: root.number("connector_hidden_size"),
      outHidden: text.hidden,
      window: 0,
    },
    ropeTheta: rope.number("rope_theta", t.get("rope_theta") as number | undefined),
    mropeSections: rope.numbers("mrope_section", root.get("tm_rope_sections") as number[] | undefined),
    maxContext: t.number("max_position_embeddings", 65536),
    tokens: {
      image: root.number("image_token_id", 151655),
      video: root.number("video_token_id", 151656),
      audio: root.number("audio_token_id", 151675),
      audioStart: root.number("audio_start_token_id", 151669),
      audioEnd: root.number("audio_end_token_id", 151670),
      visionStart: root.number("vision_start_token_id", 151652),
      visionEnd: root.number("vision_end_token_id", 151653),
    },
    positionIdPerSeconds: root.number("position_id_per_seconds", 25),
  };
}
