/** Reading config.json strictly: what is missing, malformed or not computed by the port is named. */
import type { TrunkConfig } from "../model/text_trunk.ts";

export type Json = Record<string, unknown>;

/** Keys of transformers that say nothing of the arithmetic at inference. */
const NEUTRAL =
  /^(architectures|model_type|torch_dtype|dtype|transformers_version|auto_map|use_cache|\w+_dropout|initializer_range|(bos|eos|pad|unk)_token_id|_\w+|\w+_lr|freeze_\w+|tune_\w+|output_\w+|return_dict|pretraining_tp|max_window_layers|sliding_window|num_labels)$/;

export class ConfigReader {
  readonly #read = new Set<string>();

  constructor(private readonly json: Json, private readonly path = "") {}

  /** Names on stderr the keys that nothing has read and that are not known to be neutral. */
  warnUnread(known: readonly string[]): void {
    const unread = Object.entries(this.json)
      .filter(([key, value]) => value !== null && !this.#read.has(key) && !known.includes(key))
      .map(([key]) => this.path + key)
      .filter((key) => !NEUTRAL.test(key));
    if (unread.length) console.warn(`config.json: not understood and not used: ${unread.join(", ")}`);
  }

  #value(key: string): unknown {
    this.#read.add(key);
    return this.json[key];
  }

  has(key: string): boolean {
    return this.#value(key) !== undefined && this.#value(key) !== null;
  }

  get(key: string): unknown {
    return this.#value(key);
  }

  object(key: string): ConfigReader {
    const value = this.#value(key);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Error(`Cannot read config.json: ${this.path}${key} is missing`);
    }
    return new ConfigReader(value as Json, `${this.path}${key}.`);
  }

  /** An object, or an empty one: every number then has its fallback. */
  optional(key: string): ConfigReader {
    return this.has(key) ? this.object(key) : new ConfigReader({}, `${this.path}${key}.`);
  }

  /** A finite number over 0. */
  number(key: string, fallback?: number): number {
    const value = this.#value(key) ?? fallback;
    if (typeof value !== "number" || !(value > 0 && value < Infinity)) {
      throw new Error(`Cannot read config.json: ${this.path}${key} is not a number over 0`);
    }
    return value;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#value(key) ?? fallback;
    if (typeof value !== "boolean") {
      throw new Error(`Cannot read config.json: ${this.path}${key} is neither true nor false`);
    }
    return value;
  }

  /** Refuses a value that the port does not compute; absent and null pass. */
  only(key: string, allowed: readonly unknown[]): void {
    const value = this.#value(key);
    if (value !== undefined && value !== null && !allowed.includes(value)) {
      throw new Error(
        `Cannot serve this checkpoint: ${this.path}${key} is ${JSON.stringify(value)}, known: ${allowed}`,
      );
    }
  }

  numbers(key: string, fallback?: number[]): number[] {
    const value = this.#value(key) ?? fallback;
    if (!Array.isArray(value) || !value.every((n) => typeof n === "number")) {
      throw new Error(`Cannot read config.json: ${this.path}${key} is not a list of numbers`);
    }
    return value;
  }

  /** A text trunk in transformers' keys; what the architecture fixes comes from the caller. */
  trunk(fixed: { qkNorm: boolean; qkvBias: boolean }): TrunkConfig {
    this.only("hidden_act", ["silu"]);
    const heads = this.number("num_attention_heads");
    const hidden = this.number("hidden_size");
    return {
      vocabSize: this.number("vocab_size"),
      hidden,
      layers: this.number("num_hidden_layers"),
      heads,
      kvHeads: this.number("num_key_value_heads", heads),
      headDim: this.number("head_dim", hidden / heads),
      intermediate: this.number("intermediate_size"),
      eps: this.number("rms_norm_eps", 1e-6),
      ...fixed,
      tied: this.flag("tie_word_embeddings", false),
    };
  }

  /** Longest sequence in tokens: the trunk's limit, or `tokenizer_model_max_length` where that is shorter. */
  maxContext(fallback: number): number {
    const longest = this.number("max_position_embeddings", fallback);
    return Math.min(longest, this.number("tokenizer_model_max_length", longest));
  }

  /** Refuses rotary scaling other than the default. */
  plainRope(): void {
    const scaling = this.#value("rope_scaling") as Json | null | undefined;
    if (scaling && (scaling.rope_type ?? scaling.type) !== "default") {
      throw new Error(
        `Cannot serve this checkpoint: ${this.path}rope_scaling is ${
          JSON.stringify(scaling)
        }, known: default`,
      );
    }
  }
}
