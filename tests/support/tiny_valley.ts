/** Tiny checkpoints of the older families with random weights and a real tokenizer, as their authors lay them out. */
import { llama2TokenizerJson } from "../../tools/golden/llama2_vocabulary.ts";
import { markedTokenizerJson, QWEN25_LAST } from "../../tools/golden/qwen3_vocabulary.ts";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { noise } from "./gpu.ts";

export type TinyFamily = "valley2_5" | "valley2" | "valley1";

type Shapes = Record<string, number[]>;
type Json = Record<string, unknown>;

const HIDDEN = 64, INNER = 96, LAYERS = 2;

function trunk(vocab: number, kvWidth: number, options: { bias?: boolean; norms?: boolean }): Shapes {
  const out: Shapes = {
    "model.embed_tokens.weight": [vocab, HIDDEN],
    "model.norm.weight": [HIDDEN],
    "lm_head.weight": [vocab, HIDDEN],
  };
  for (let i = 0; i < LAYERS; i++) {
    const p = `model.layers.${i}.`;
    for (const [name, n] of [["q", HIDDEN], ["k", kvWidth], ["v", kvWidth]] as const) {
      out[`${p}self_attn.${name}_proj.weight`] = [n, HIDDEN];
      if (options.bias) out[`${p}self_attn.${name}_proj.bias`] = [n];
      if (options.norms && name !== "v") out[`${p}self_attn.${name}_norm.weight`] = [32];
    }
    out[`${p}self_attn.o_proj.weight`] = [HIDDEN, HIDDEN];
    out[`${p}mlp.gate_proj.weight`] = [INNER, HIDDEN];
    out[`${p}mlp.up_proj.weight`] = [INNER, HIDDEN];
    out[`${p}mlp.down_proj.weight`] = [HIDDEN, INNER];
    out[`${p}input_layernorm.weight`] = [HIDDEN];
    out[`${p}post_attention_layernorm.weight`] = [HIDDEN];
  }
  return out;
}

/** Weight and bias. */
const pair = (name: string, ...shape: number[]): Shapes => ({
  [`${name}.weight`]: shape,
  [`${name}.bias`]: [shape[0]],
});

const QWEN2VL = { depth: 2, embed_dim: 64, num_heads: 2, mlp_ratio: 2 };

function qwen2vl(mergerHidden: number): Shapes {
  const p = "model.qwen2vl_vision_tower.";
  const d = QWEN2VL.embed_dim;
  const out: Shapes = {
    [`${p}patch_embed.proj.weight`]: [d, 3, 2, 14, 14],
    ...pair(`${p}merger.ln_q`, d),
    ...pair(`${p}merger.mlp.0`, mergerHidden, 4 * d),
    ...pair(`${p}merger.mlp.2`, HIDDEN, mergerHidden),
  };
  for (let i = 0; i < QWEN2VL.depth; i++) {
    const b = `${p}blocks.${i}.`;
    Object.assign(out, pair(`${b}norm1`, d), pair(`${b}norm2`, d));
    Object.assign(out, pair(`${b}attn.qkv`, 3 * d, d), pair(`${b}attn.proj`, d, d));
    Object.assign(out, pair(`${b}mlp.fc1`, 2 * d, d), pair(`${b}mlp.fc2`, d, 2 * d));
  }
  return out;
}

const SQUARE = {
  hidden_size: 48,
  num_attention_heads: 2,
  intermediate_size: 80,
  image_size: 56,
  patch_size: 14,
};

/** CLIP or SigLIP. */
function square(p: string, layers: number, positions: number): Shapes {
  const { hidden_size: d, intermediate_size: inner } = SQUARE;
  const out: Shapes = {
    [`${p}embeddings.patch_embedding.weight`]: [d, 3, 14, 14],
    [`${p}embeddings.position_embedding.weight`]: [positions, d],
    ...pair(`${p}post_layernorm`, d),
  };
  for (let i = 0; i < layers; i++) {
    const b = `${p}encoder.layers.${i}.`;
    Object.assign(out, pair(`${b}layer_norm1`, d), pair(`${b}layer_norm2`, d));
    for (const name of ["q_proj", "k_proj", "v_proj", "out_proj"]) {
      Object.assign(out, pair(`${b}self_attn.${name}`, d, d));
    }
    Object.assign(out, pair(`${b}mlp.fc1`, inner, d), pair(`${b}mlp.fc2`, d, inner));
  }
  return out;
}

interface Tiny {
  config: Json;
  tokenizer: unknown;
  tokenizerConfig?: Json;
  shapes: Shapes;
}

/** Qwen's tokenizer up to an id of its own added tokens, with Valley's markers behind them. */
function qwenTokenizer(last: number): unknown {
  const markers = ["<im_start>", "<im_end>", "<vi_start>", "<vi_end>", "<cor>", "<\\cor>"];
  return markedTokenizerJson(Object.fromEntries(markers.map((content, i) => [content, last + 1 + i])), last);
}

const base = {
  model_type: "valley",
  hidden_size: HIDDEN,
  intermediate_size: INNER,
  num_hidden_layers: LAYERS,
  num_attention_heads: 2,
  rms_norm_eps: 1e-6,
  hidden_act: "silu",
  max_position_embeddings: 2048,
};

const MAKE: Record<TinyFamily, () => Tiny> = {
  valley2_5() {
    const vocab = 151679; // odd, as published
    return {
      config: {
        ...base,
        architectures: ["ValleyQwen3ForCausalLM"],
        num_key_value_heads: 1,
        vocab_size: vocab,
        head_dim: 32,
        only_navit: true,
        navit_merger_hidden_dim: 160,
        use_special_start_end_token: true,
        eos_token_id: 151645,
        vision_config: QWEN2VL,
      },
      tokenizer: qwenTokenizer(151668),
      shapes: { ...trunk(vocab, 32, { norms: true }), ...qwen2vl(160) },
    };
  },
  valley2() {
    const vocab = 151679;
    const p = "model.vision_tower.vision_tower.vision_model.";
    return {
      config: {
        ...base,
        architectures: ["ValleyQwen2ForCausalLM"],
        num_key_value_heads: 1,
        vocab_size: 152064, // the tensors know better
        eagle_vision_tower: "Qwen/Qwen2-VL-7B-Instruct",
        mm_projector_type: "ovis_conv_adapter",
        mlp_hidden_dim: 150,
        mm_hidden_size: 48,
        num_patches_per_side: 2,
        vit_crop_size: 56,
        grid_pinpoints: "(1x1),...,(3x3)",
        only_crop_single_image: true,
        eos_token_id: 151645,
        siglip_config: { ...SQUARE, num_hidden_layers: 1, hidden_act: "gelu_pytorch_tanh" },
        qwen2vl_vit_config: QWEN2VL,
      },
      tokenizer: qwenTokenizer(QWEN25_LAST),
      shapes: {
        ...trunk(vocab, 32, { bias: true }),
        ...qwen2vl(256),
        ...square(p, 1, 16),
        [`${p}embeddings.patch_embedding.bias`]: [48],
        [`${p}head.probe`]: [1, 1, 48],
        ...pair("model.mm_projector.conv", 48, 48, 3, 3),
        "model.mm_projector.mlp.0.weight": [150, 48],
        ...pair("model.mm_projector.mlp.1", 150),
        "model.mm_projector.embedding.weight": [150, HIDDEN],
      },
    };
  },
  valley1() {
    const names = ["[PAD]", "<vi_frame>", "<vi_start>", "<vi_end>", "<im_patch>", "<im_start>", "<im_end>"];
    const vocab = 32000 + names.length;
    const p = "model.vision_tower.vision_model.";
    const layer = (name: string): Shapes => ({
      [`${name}self_attn.in_proj_weight`]: [3 * HIDDEN, HIDDEN],
      [`${name}self_attn.in_proj_bias`]: [3 * HIDDEN],
      ...pair(`${name}self_attn.out_proj`, HIDDEN, HIDDEN),
      ...pair(`${name}linear1`, 2048, HIDDEN),
      ...pair(`${name}linear2`, HIDDEN, 2048),
      ...pair(`${name}norm1`, HIDDEN),
      ...pair(`${name}norm2`, HIDDEN),
    });
    return {
      config: {
        ...base,
        architectures: ["ValleyLlamaForCausalLM"],
        vocab_size: vocab,
        mm_vision_tower: "openai/clip-vit-large-patch14",
        mm_hidden_size: 48,
        mm_vision_select_layer: -2,
        mm_use_im_start_end: true,
        use_mm_proj: true,
        use_delta_transformer: true,
        eos_token_id: 2,
        vision_config: { ...SQUARE, num_hidden_layers: 3, hidden_act: "quick_gelu" },
      },
      tokenizer: llama2TokenizerJson(Object.fromEntries(names.map((name, i) => [name, 32000 + i]))),
      tokenizerConfig: { bos_token: "<s>" },
      shapes: {
        ...trunk(vocab, HIDDEN, {}),
        ...square(p, 3, 17),
        [`${p}embeddings.class_embedding`]: [48],
        ...pair(`${p}pre_layrnorm`, 48),
        ...pair("model.mm_projector", HIDDEN, 48),
        ...layer("model.transformer_delta_encoder.layers.0."),
        ...layer("model.transforemr_adding_layer."),
        "model.position_matrix": [2048, HIDDEN],
      },
    };
  },
};

/** Writes the family's checkpoint into an existing folder. */
export function writeTiny(family: TinyFamily, folder: string): void {
  const { config, tokenizer, tokenizerConfig, shapes } = MAKE[family]();
  const put = (name: string, value: unknown) =>
    Deno.writeTextFileSync(`${folder}/${name}`, JSON.stringify(value));
  put("config.json", config);
  put("tokenizer.json", tokenizer);
  if (tokenizerConfig) put("tokenizer_config.json", tokenizerConfig);
  const plan = Object.entries(shapes).map(([name, shape]): PlannedTensor => ({
    name,
    dtype: "BF16",
    shape,
    bytes: 2 * shape.reduce((a, b) => a * b, 1),
  }));
  const writer = SafetensorsWriter.create(`${folder}/model.safetensors`, plan);
  const some = noise(5, 1 << 16);
  plan.forEach(({ name, shape, bytes }, i) => {
    const count = bytes / 2;
    const scale = 1.7 / Math.sqrt(shape.length === 1 ? 1000 : count / shape[0]);
    const gain = /norm\w*\.weight$|ln_q\.weight$|mlp\.1\.weight$/.test(name) ? 1 : 0;
    const bits = new Uint16Array(count);
    const word = new Uint32Array(1), value = new Float32Array(word.buffer);
    // Rows must differ: the place in the noise moves by odd steps that the tensor chooses.
    for (let j = 0; j < count; j++) {
      value[0] = gain + some[(j * (2 * i + 3) + (j >> 16) * 7919) & 0xffff] * scale;
      bits[j] = word[0] >>> 16;
    }
    writer.write(name, bits);
  });
  writer.finish();
}
