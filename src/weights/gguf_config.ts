/** A GGUF file's metadata as the files of a published checkpoint: config, tokenizer, chat template. */
import type { GgufFile, GgufValue } from "./gguf.ts";

/** What text models' configs need beside their sizes. */
const ARCHITECTURES: Record<string, { architecture: string }> = {
  llama: { architecture: "LlamaForCausalLM" },
  qwen2: { architecture: "Qwen2ForCausalLM" },
  qwen3: { architecture: "Qwen3ForCausalLM" },
};

export interface GgufModel {
  architecture: string;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Files by name. */
  made: Record<string, string>;
}

/** @throws Error naming the key that is missing or not supported */
export function readGgufModel(file: GgufFile): GgufModel {
  const meta = new Metadata(file);
  const arch = meta.text("general.architecture");
  const known = Object.hasOwn(ARCHITECTURES, arch) ? ARCHITECTURES[arch] : meta.fail(
    `general.architecture is ${arch}; text models of ${Object.keys(ARCHITECTURES).join(", ")} are read`,
  );
  const number = (key: string, fallback?: number) => meta.number(`${arch}.${key}`, fallback);
  for (const key of ["expert_count", "expert_used_count"]) {
    if (number(key, 0) !== 0) meta.fail(`${arch}.${key} is not 0: mixtures of experts are not computed`);
  }
  const scaling = meta.get(`${arch}.rope.scaling.type`) ?? "none";
  if (scaling !== "none" || file.tensors.has("rope_freqs.weight")) {
    meta.fail(`rotary scaling (${scaling}) is not computed`);
  }
  const heads = number("attention.head_count");
  const hidden = number("embedding_length");
  const headDim = number("attention.key_length", hidden / heads);
  if (number("attention.value_length", headDim) !== headDim) meta.fail("keys and values differ in width");
  if (number("rope.dimension_count", headDim) !== headDim) meta.fail("only a part of each head is rotated");
  const kvHeads = number("attention.head_count_kv", heads);
  const embedding = file.tensors.get("token_embd.weight");
  if (embedding === undefined) return meta.fail("tensor token_embd.weight is missing");
  const ids = {
    bos_token_id: meta.optionalId("tokenizer.ggml.bos_token_id"),
    eos_token_id: meta.optionalId("tokenizer.ggml.eos_token_id"),
  };
  const config = {
    architectures: [known.architecture],
    model_type: arch,
    hidden_act: "silu",
    vocab_size: embedding.shape[0],
    hidden_size: hidden,
    num_hidden_layers: number("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    intermediate_size: number("feed_forward_length"),
    rms_norm_eps: number("attention.layer_norm_rms_epsilon"),
    rope_theta: number("rope.freq_base", 10000),
    max_position_embeddings: number("context_length"),
    attention_bias: file.tensors.has("blk.0.attn_q.bias"),
    tie_word_embeddings: !file.tensors.has("output.weight"),
    ...ids,
  };
  const made: Record<string, string> = {
    "config.json": json(config),
    "generation_config.json": json(ids),
    ...tokenizerFiles(meta, ids),
  };
  return { architecture: arch, heads, kvHeads, headDim, made };
}

function tokenizerFiles(
  meta: Metadata,
  ids: { bos_token_id?: number; eos_token_id?: number },
): Record<string, string> {
  const model = meta.text("tokenizer.ggml.model");
  if (model !== "gpt2") meta.fail(`tokenizer.ggml.model is ${model}; gpt2 (byte-level BPE) is read`);
  if (meta.get("tokenizer.ggml.add_bos_token") === true) {
    meta.fail("tokenizer.ggml.add_bos_token is set: such tokenizers are not read yet");
  }
  const tokens = meta.texts("tokenizer.ggml.tokens");
  const merges = meta.texts("tokenizer.ggml.merges");
  const types = meta.get("tokenizer.ggml.token_type");
  const kind = (id: number): GgufValue => Array.isArray(types) ? types[id] : NORMAL;
  const added = tokens.flatMap((content, id) =>
    kind(id) === CONTROL || kind(id) === USER_DEFINED
      ? [{
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: kind(id) === CONTROL,
      }]
      : []
  );
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    ...preTokenizer(meta),
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((content, id) => [content, id])),
      merges,
    },
  };
  const name = (id: number | undefined) => id === undefined ? null : tokens[id] ?? null;
  const template = meta.get("tokenizer.chat_template");
  return {
    "tokenizer.json": JSON.stringify(tokenizer),
    "tokenizer_config.json": json({ bos_token: name(ids.bos_token_id), eos_token: name(ids.eos_token_id) }),
    ...(typeof template === "string" ? { "chat_template.jinja": template } : {}),
  };
}

const NORMAL = 1, CONTROL = 3, USER_DEFINED = 4;

const BYTES = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
const split = (pattern: string) => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});
const QWEN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** How text is cut before BPE, by the name that llama.cpp gives it. */
function preTokenizer(meta: Metadata): Record<string, unknown> {
  const name = meta.get("tokenizer.ggml.pre") ?? "default";
  switch (name) {
    case "default":
    case "gpt-2":
      return { normalizer: null, pre_tokenizer: { ...BYTES, use_regex: true } };
    case "smollm":
      return {
        normalizer: null,
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [{ type: "Digits", individual_digits: true }, { ...BYTES, use_regex: true }],
        },
      };
    case "qwen2":
      return {
        normalizer: { type: "NFC" },
        pre_tokenizer: { type: "Sequence", pretokenizers: [split(QWEN), { ...BYTES, use_regex: false }] },
      };
    case "llama-bpe":
      return {
        normalizer: null,
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [split(QWEN.replace("|\\p{N}|", "|\\p{N}{1,3}|")), { ...BYTES, use_regex: false }],
        },
      };
    default:
      return meta.fail(
        `tokenizer.ggml.pre is ${name}; default, gpt-2, smollm, qwen2 and llama-bpe are known`,
      );
  }
}

class Metadata {
  constructor(private readonly file: GgufFile) {}

  fail(reason: string): never {
    throw new Error(`Cannot convert ${this.file.path}: ${reason}`);
  }

  get(key: string): GgufValue | undefined {
    return this.file.metadata.get(key);
  }

  text(key: string): string {
    const value = this.get(key);
    return typeof value === "string" ? value : this.fail(`${key} is missing`);
  }

  texts(key: string): string[] {
    const value = this.get(key);
    const ok = Array.isArray(value) && value.every((item) => typeof item === "string");
    return ok ? value as string[] : this.fail(`${key} is missing`);
  }

  number(key: string, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    return typeof value === "number" && Number.isFinite(value) && value >= 0
      ? value
      : this.fail(`${key} is ${value === undefined ? "missing" : "not a number"}`);
  }

  optionalId(key: string): number | undefined {
    return this.get(key) === undefined ? undefined : this.number(key);
  }
}

const json = (value: unknown): string => JSON.stringify(value, null, 1) + "\n";
