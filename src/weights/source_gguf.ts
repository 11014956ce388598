/**
 * A GGUF file of a text model as a source. Tensors of 4 bits and Q8_0 keep their codes; beside such, tensors of other
 * types were left finer on purpose: F16, BF16 and F32 stay, those of 5 and 6 bits become int8. In a file without such
 * codes the matrices become int4 as those of a published checkpoint do.
 */
import { createHash } from "node:crypto";
import type { Dtype } from "../gpu/safetensors.ts";
import { stampOf, type Stored } from "./file_piece.ts";
import { GgufFile, type GgufTensor, type GgufType } from "./gguf.ts";
import { type GgufModel, readGgufModel } from "./gguf_config.ts";
import { codedBits, floatsOfBlocks } from "./gguf_values.ts";
import { becomesInt4, type Rule } from "./keep_rule.ts";
import { isRounded } from "./rounding.ts";
import { bitsOfTarget, rowsOfSlab, type SourceTensor, type Target, type WeightSource } from "./source.ts";

const OUTPUT = "model.safetensors";

/** ggml's name of each part → the official one. */
export const PARTS: Record<string, string> = {
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};
export const WHOLE: Record<string, string> = {
  "token_embd.weight": "model.embed_tokens.weight",
  "output_norm.weight": "model.norm.weight",
  "output.weight": "lm_head.weight",
};

/** @throws Error naming what is missing, damaged or not supported */
export function openGgufSource(path: string, rule: Rule = becomesInt4): WeightSource {
  const file = GgufFile.open(path);
  try {
    const model = readGgufModel(file);
    const tensors = [...file.tensors.values()];
    const coded = tensors.some(({ type }) => codedBits(type));
    const digest = createHash("sha256").update(JSON.stringify([[...file.tensors], [...file.metadata]]))
      .digest("hex");
    const stamp = stampOf(path);
    return {
      files: [{
        name: OUTPUT,
        tensors: tensors.map((t) => sourceTensor(file, t, model, coded, rule, stamp)),
      }],
      digest,
      stamp: createHash("sha256").update(`${digest} ${stamp}`).digest("hex"),
      folder: null,
      made: model.made,
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Type in which a kept tensor is stored. */
const keptAs = (type: GgufType): Dtype => type === "F16" || type === "BF16" ? type : "F32";

/** @param wanted by the rule @param coded the file has tensors in codes */
function targetOf({ type }: GgufTensor, wanted: ReturnType<Rule>, coded: boolean): Target {
  if (wanted === null) return keptAs(type);
  const bits = codedBits(type);
  if (bits) return bits === 8 ? "int8" : "int4";
  if (!coded) return wanted;
  return ["F32", "F16", "BF16"].includes(type) ? keptAs(type) : "int8";
}

function sourceTensor(
  file: GgufFile,
  t: GgufTensor,
  model: GgufModel,
  coded: boolean,
  rule: Rule,
  stamp: string,
): SourceTensor {
  const name = officialName(file.path, t.name);
  const { type, shape, rowBytes } = t;
  const heads = headsOf(t.name, model);
  const rowsOf = (from: number, count: number) => {
    const bytes = file.read(t, from * rowBytes, count * rowBytes);
    return heads ? unpermuted(bytes, rowBytes, model.headDim) : bytes;
  };
  const target = targetOf(t, rule(name, shape), coded);
  const values = shape.reduce((a, b) => a * b, 1);
  const slab = rowsOfSlab(bitsOfTarget(target) ? rowBytes : Math.max(rowBytes, 4 * shape[shape.length - 1]));
  return {
    name,
    shape,
    bytes: t.bytes,
    storedBytes: values * (target === "F32" ? 4 : 2),
    target,
    fixed: codedBits(type) !== null,
    // A head's rows are put in order together.
    slabRows: heads ? Math.max(1, Math.floor(slab / model.headDim)) * model.headDim : slab,
    slab(from, count) {
      const bytes: Stored = heads ? rowsOf(from, count) : {
        path: file.path,
        at: file.offset(t, from * rowBytes),
        length: count * rowBytes,
        stamp,
      };
      return isRounded(type) ? { kind: "plain", dtype: type, bytes } : { kind: "gguf", type, bytes };
    },
    raw(from, count) {
      if (shape.length === 1) [from, count] = [0, 1];
      const bytes = rowsOf(from, count);
      return target === type ? bytes : new Uint8Array(floatsOfBlocks(type, bytes).buffer);
    },
  };
}

function officialName(path: string, name: string): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  if (part !== undefined && Object.hasOwn(PARTS, part)) return `model.layers.${layer}.${PARTS[part]}.${kind}`;
  if (Object.hasOwn(WHOLE, name)) return WHOLE[name];
  throw new Error(`Cannot convert ${path}: tensor ${name} is not one of a llama, qwen2 or qwen3 text model`);
}

/** Whether the tensor's rows are heads whose rotary pairs llama's converter put side by side. */
const headsOf = (name: string, { architecture }: GgufModel): boolean =>
  architecture === "llama" && /\.attn_[qk]\.weight$/.test(name);

/** Rows 2j, 2j + 1 of each head become rows j, j + dim/2: the two halves that the official rotation pairs. */
function unpermuted(bytes: Uint8Array<ArrayBuffer>, rowBytes: number, dim: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < bytes.length / rowBytes; row++) {
    const inHead = row % dim;
    const to = row - inHead + (inHead >> 1) + (inHead & 1) * (dim >> 1);
    out.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return out;
}
