/** Valley3's published sizes (VALLEY3.md's table) as config.json and as the list of its tensors. */
import { type ModelShape, patchPicture, type TensorShape } from "./shape.ts";

const SIZES = {
  "8b": { hidden: 4096, layers: 36, heads: 32, intermediate: 12288 },
  "32b": { hidden: 5120, layers: 64, heads: 64, intermediate: 25600 },
};
const VOCABULARY = 151936;
const HEAD = 128, KV_HEADS = 8;
const VISION = { hidden: 1152, depth: 27, mlp: 4304, patch: 16, positions: 2304, taps: [8, 16, 24] };
const AUDIO = { model: 1280, layers: 32, ffn: 5120, channels: 480, out: 2048, connector: 8192 };

/** @param layers of the text trunk; fewer than published where a machine has no room for all */
export function valley3(size: keyof typeof SIZES, layers = SIZES[size].layers): ModelShape {
  return {
    config: config(size, layers),
    tensors: [...text(size, layers), ...vision(size), ...audio(size)],
    medium: patchPicture(VISION.patch),
    ...(layers < SIZES[size].layers ? { note: `${layers} of ${SIZES[size].layers} layers` } : {}),
  };
}

function config(size: keyof typeof SIZES, layers: number): Record<string, unknown> {
  const s = SIZES[size];
  return {
    architectures: ["ValleyOmniForConditionalGeneration"],
    model_type: "valley_omni",
    text_config: {
      vocab_size: VOCABULARY,
      hidden_size: s.hidden,
      intermediate_size: s.intermediate,
      num_hidden_layers: layers,
      num_attention_heads: s.heads,
      num_key_value_heads: KV_HEADS,
      head_dim: HEAD,
      rms_norm_eps: 1e-6,
      hidden_act: "silu",
      max_position_embeddings: 65536,
      rope_parameters: {
        rope_type: "default",
        rope_theta: 5e6,
        mrope_section: [24, 20, 20],
        mrope_interleaved: true,
      },
      attention_bias: false,
      tie_word_embeddings: false,
    },
    vision_config: {
      depth: VISION.depth,
      hidden_size: VISION.hidden,
      num_heads: 16,
      intermediate_size: VISION.mlp,
      patch_size: VISION.patch,
      temporal_patch_size: 2,
      in_channels: 3,
      spatial_merge_size: 2,
      out_hidden_size: s.hidden,
      num_position_embeddings: VISION.positions,
      deepstack_visual_indexes: VISION.taps,
      hidden_act: "gelu_pytorch_tanh",
    },
    audio_encoder_type: "qwen3_omni_moe",
    audio_config: {
      num_mel_bins: 128,
      encoder_layers: AUDIO.layers,
      encoder_attention_heads: 20,
      encoder_ffn_dim: AUDIO.ffn,
      d_model: AUDIO.model,
      n_window: 50,
      n_window_infer: 800,
      conv_chunksize: 500,
      downsample_hidden_size: AUDIO.channels,
      output_dim: AUDIO.out,
      max_source_positions: 1500,
      activation_function: "gelu",
      scale_embedding: false,
    },
    connector_hidden_size: AUDIO.connector,
    tm_rope_sections: [24, 20, 20],
    position_id_per_seconds: 25,
    tie_word_embeddings: false,
    image_token_id: 151655,
    video_token_id: 151656,
    vision_start_token_id: 151652,
    vision_end_token_id: 151653,
    audio_token_id: 151675,
    audio_start_token_id: 151669,
    audio_end_token_id: 151670,
    eos_token_id: 151645,
  };
}

function text(size: keyof typeof SIZES, layers: number): TensorShape[] {
  const s = SIZES[size];
  const trunk = "model.language_model.";
  const q = s.heads * HEAD, kv = KV_HEADS * HEAD;
  const out: TensorShape[] = [
    { name: `${trunk}embed_tokens.weight`, shape: [VOCABULARY, s.hidden] },
    { name: "lm_head.weight", shape: [VOCABULARY, s.hidden] },
    { name: `${trunk}norm.weight`, shape: [s.hidden] },
  ];
  for (let i = 0; i < layers; i++) {
    const p = `${trunk}layers.${i}.`;
    out.push(
      { name: `${p}input_layernorm.weight`, shape: [s.hidden] },
      { name: `${p}self_attn.q_proj.weight`, shape: [q, s.hidden] },
      { name: `${p}self_attn.k_proj.weight`, shape: [kv, s.hidden] },
      { name: `${p}self_attn.v_proj.weight`, shape: [kv, s.hidden] },
      { name: `${p}self_attn.o_proj.weight`, shape: [s.hidden, q] },
      { name: `${p}self_attn.q_norm.weight`, shape: [HEAD] },
      { name: `${p}self_attn.k_norm.weight`, shape: [HEAD] },
      { name: `${p}post_attention_layernorm.weight`, shape: [s.hidden] },
      { name: `${p}mlp.gate_proj.weight`, shape: [s.intermediate, s.hidden] },
      { name: `${p}mlp.up_proj.weight`, shape: [s.intermediate, s.hidden] },
      { name: `${p}mlp.down_proj.weight`, shape: [s.hidden, s.intermediate] },
    );
  }
  return out;
}

/** A matrix with its bias. */
const layer = (name: string, n: number, k: number): TensorShape[] => [
  { name: `${name}.weight`, shape: [n, k] },
  { name: `${name}.bias`, shape: [n] },
];
const norm = (name: string, n: number): TensorShape[] => [
  { name: `${name}.weight`, shape: [n] },
  { name: `${name}.bias`, shape: [n] },
];

function vision(size: keyof typeof SIZES): TensorShape[] {
  const { hidden: h, depth, mlp, patch, positions, taps } = VISION;
  const p = "model.visual.";
  const merger = (name: string, width: number): TensorShape[] => [
    ...norm(`${name}.norm`, width),
    ...layer(`${name}.linear_fc1`, 4 * h, 4 * h),
    ...layer(`${name}.linear_fc2`, SIZES[size].hidden, 4 * h),
  ];
  return [
    { name: `${p}patch_embed.proj.weight`, shape: [h, 3, 2, patch, patch] },
    { name: `${p}patch_embed.proj.bias`, shape: [h] },
    { name: `${p}pos_embed.weight`, shape: [positions, h] },
    ...Array.from({ length: depth }, (_, i) => [
      ...norm(`${p}blocks.${i}.norm1`, h),
      ...norm(`${p}blocks.${i}.norm2`, h),
      ...layer(`${p}blocks.${i}.attn.qkv`, 3 * h, h),
      ...layer(`${p}blocks.${i}.attn.proj`, h, h),
      ...layer(`${p}blocks.${i}.mlp.linear_fc1`, mlp, h),
      ...layer(`${p}blocks.${i}.mlp.linear_fc2`, h, mlp),
    ]).flat(),
    ...merger(`${p}merger`, h),
    ...taps.flatMap((_, i) => merger(`${p}deepstack_merger_list.${i}`, 4 * h)),
  ];
}

function audio(size: keyof typeof SIZES): TensorShape[] {
  const { model: d, layers, ffn, channels: c, out, connector } = AUDIO;
  const p = "model.audio_encoder.encoder.";
  const q = "model.audio_connector.";
  const conv = (i: number, from: number): TensorShape[] => [
    { name: `${p}conv2d${i}.weight`, shape: [c, from, 3, 3] },
    { name: `${p}conv2d${i}.bias`, shape: [c] },
  ];
  return [
    ...conv(1, 1),
    ...conv(2, c),
    ...conv(3, c),
    { name: `${p}conv_out.weight`, shape: [d, c * 16] },
    ...Array.from({ length: layers }, (_, i) => [
      ...norm(`${p}layers.${i}.self_attn_layer_norm`, d),
      ...norm(`${p}layers.${i}.final_layer_norm`, d),
      ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((n) =>
        layer(`${p}layers.${i}.self_attn.${n}`, d, d)
      ),
      ...layer(`${p}layers.${i}.fc1`, ffn, d),
      ...layer(`${p}layers.${i}.fc2`, d, ffn),
    ]).flat(),
    ...norm(`${p}ln_post`, d),
    ...layer(`${p}proj1`, d, d),
    ...layer(`${p}proj2`, out, d),
    ...layer(`${q}proj_in`, connector, out),
    ...layer(`${q}proj_mid`, connector, connector),
    ...layer(`${q}proj_out`, SIZES[size].hidden, connector),
    ...norm(`${q}ln`, SIZES[size].hidden),
  ];
}
