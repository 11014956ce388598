/** Published sizes of Valley2.5, Valley2 and Valley (2023) (their specs' tables) as config.json and lists of tensors. */
import { readValley1Config } from "../../src/families/valley1/config.ts";
import { readValley2Config } from "../../src/families/valley2/config.ts";
import { pictureTokens } from "../../src/families/valley2/picture.ts";
import { patchesOfSide, patchRowWidth } from "../../src/model/vision_clip.ts";
import { type ModelShape, patchPicture, type TensorShape } from "./shape.ts";

/** A matrix (or a norm's vector) with its bias. */
const layer = (name: string, ...shape: number[]): TensorShape[] => [
  { name: `${name}.weight`, shape },
  { name: `${name}.bias`, shape: [shape[0]] },
];
const plain = (name: string, ...shape: number[]): TensorShape => ({ name: `${name}.weight`, shape });

interface Trunk {
  vocabulary: number;
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  intermediate: number;
  bias?: boolean;
  headNorms?: boolean;
}

const HEAD = 128;
/** Of Valley (2023)'s clip. */
const FRAMES = 2;

function trunk(t: Trunk): TensorShape[] {
  const { hidden, intermediate } = t;
  const kv = t.kvHeads * HEAD;
  const project = (name: string, n: number) => t.bias ? layer(name, n, hidden) : [plain(name, n, hidden)];
  return [
    plain("model.embed_tokens", t.vocabulary, hidden),
    plain("lm_head", t.vocabulary, hidden),
    plain("model.norm", hidden),
    ...Array.from({ length: t.layers }, (_, i) => {
      const p = `model.layers.${i}.`;
      return [
        plain(`${p}input_layernorm`, hidden),
        ...project(`${p}self_attn.q_proj`, t.heads * HEAD),
        ...project(`${p}self_attn.k_proj`, kv),
        ...project(`${p}self_attn.v_proj`, kv),
        plain(`${p}self_attn.o_proj`, hidden, t.heads * HEAD),
        ...(t.headNorms ? ["q_norm", "k_norm"].map((n) => plain(`${p}self_attn.${n}`, HEAD)) : []),
        plain(`${p}post_attention_layernorm`, hidden),
        plain(`${p}mlp.gate_proj`, intermediate, hidden),
        plain(`${p}mlp.up_proj`, intermediate, hidden),
        plain(`${p}mlp.down_proj`, hidden, intermediate),
      ];
    }).flat(),
  ];
}

const trunkConfig = (t: Trunk): Record<string, unknown> => ({
  model_type: "valley",
  vocab_size: t.vocabulary,
  hidden_size: t.hidden,
  intermediate_size: t.intermediate,
  num_hidden_layers: t.layers,
  num_attention_heads: t.heads,
  num_key_value_heads: t.kvHeads,
  rms_norm_eps: 1e-6,
  hidden_act: "silu",
});

function qwen2vl(mergerHidden: number, out: number): TensorShape[] {
  const p = "model.qwen2vl_vision_tower.";
  const d = 1280;
  return [
    plain(`${p}patch_embed.proj`, d, 3, 2, 14, 14),
    ...Array.from({ length: 32 }, (_, i) => [
      ...layer(`${p}blocks.${i}.norm1`, d),
      ...layer(`${p}blocks.${i}.norm2`, d),
      ...layer(`${p}blocks.${i}.attn.qkv`, 3 * d, d),
      ...layer(`${p}blocks.${i}.attn.proj`, d, d),
      ...layer(`${p}blocks.${i}.mlp.fc1`, 4 * d, d),
      ...layer(`${p}blocks.${i}.mlp.fc2`, d, 4 * d),
    ]).flat(),
    ...layer(`${p}merger.ln_q`, d),
    ...layer(`${p}merger.mlp.0`, mergerHidden, 4 * d),
    ...layer(`${p}merger.mlp.2`, out, mergerHidden),
  ];
}

/** CLIP or SigLIP. */
function square(p: string, layers: number, d: number, inner: number, positions: number): TensorShape[] {
  return [
    plain(`${p}embeddings.patch_embedding`, d, 3, 14, 14),
    plain(`${p}embeddings.position_embedding`, positions, d),
    ...Array.from({ length: layers }, (_, i) => {
      const b = `${p}encoder.layers.${i}.`;
      return [
        ...layer(`${b}layer_norm1`, d),
        ...layer(`${b}layer_norm2`, d),
        ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((n) => layer(`${b}self_attn.${n}`, d, d)),
        ...layer(`${b}mlp.fc1`, inner, d),
        ...layer(`${b}mlp.fc2`, d, inner),
      ];
    }).flat(),
    ...layer(`${p}post_layernorm`, d),
  ];
}

export function valley2_5(): ModelShape {
  const sizes: Trunk = {
    vocabulary: 151679,
    hidden: 4096,
    layers: 36,
    heads: 32,
    kvHeads: 8,
    intermediate: 12288,
    headNorms: true,
  };
  return {
    config: {
      ...trunkConfig(sizes),
      architectures: ["ValleyQwen3ForCausalLM"],
      head_dim: HEAD,
      rope_theta: 1e6,
      max_position_embeddings: 32768,
      only_navit: true,
      navit_merger_hidden_dim: 65536,
    },
    tensors: [...trunk(sizes), ...qwen2vl(65536, sizes.hidden)],
    medium: patchPicture(14),
  };
}

export function valley2(): ModelShape {
  const sizes: Trunk = {
    vocabulary: 151679,
    hidden: 3584,
    layers: 28,
    heads: 28,
    kvHeads: 4,
    intermediate: 18944,
    bias: true,
  };
  const p = "model.vision_tower.vision_tower.vision_model.";
  const json = {
    ...trunkConfig(sizes),
    architectures: ["ValleyQwen2ForCausalLM"],
    rope_theta: 1e6,
    max_position_embeddings: 32768,
    eagle_vision_tower: "Qwen/Qwen2-VL-7B-Instruct",
    mm_projector_type: "ovis_conv_adapter",
    mlp_hidden_dim: 32000,
    num_patches_per_side: 14,
  };
  const config = readValley2Config(json);
  const { siglip, qwen2vl: tower } = config;
  const shape = { tiles: 1, width: siglip.side, height: siglip.side, grid: [4, 4] as const };
  const [first, second] = pictureTokens(shape, config);
  return {
    config: json,
    medium: {
      kind: "image",
      tokens: first + second,
      length: patchesOfSide(siglip) ** 2 * patchRowWidth(siglip) +
        16 * tower.channels * tower.temporalPatch * tower.patch ** 2,
      shape: [1, siglip.side, siglip.side, 4, 4],
    },
    tensors: [
      ...trunk(sizes),
      ...square(p, 27, 1152, 4304, 729),
      { name: `${p}embeddings.patch_embedding.bias`, shape: [1152] },
      ...layer("model.mm_projector.conv", 1152, 1152, 3, 3),
      plain("model.mm_projector.mlp.0", 32000, 1152),
      ...layer("model.mm_projector.mlp.1", 32000),
      plain("model.mm_projector.embedding", 32000, sizes.hidden),
      ...qwen2vl(5120, sizes.hidden),
    ],
  };
}

/** LLaMA-2's 7B or LLaMA's 13B behind CLIP, frames by their mean (v1). */
export function valley1(size: "7b" | "13b"): ModelShape {
  const sizes: Trunk = size === "7b"
    ? { vocabulary: 32007, hidden: 4096, layers: 32, heads: 32, kvHeads: 32, intermediate: 11008 }
    : { vocabulary: 32007, hidden: 5120, layers: 40, heads: 40, kvHeads: 40, intermediate: 13824 };
  const p = "model.vision_tower.vision_model.";
  const json = {
    ...trunkConfig(sizes),
    architectures: ["ValleyLlamaForCausalLM"],
    max_position_embeddings: size === "7b" ? 4096 : 2048,
    mm_vision_tower: "openai/clip-vit-large-patch14",
    mm_vision_select_layer: -2,
  };
  const { vision } = readValley1Config(json);
  const patches = patchesOfSide(vision) ** 2;
  return {
    config: json,
    medium: {
      kind: "video",
      tokens: patches + FRAMES,
      length: FRAMES * patches * patchRowWidth(vision),
      shape: [FRAMES],
    },
    tensors: [
      ...trunk(sizes),
      ...square(p, 24, 1024, 4096, 257),
      { name: `${p}embeddings.class_embedding`, shape: [1024] },
      ...layer(`${p}pre_layrnorm`, 1024),
      ...layer("model.mm_projector", sizes.hidden, 1024),
    ],
  };
}
