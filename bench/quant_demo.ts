/**
 * The demo model's text trunk for `bench quant`: written as a GGUF file of architecture qwen3 (of text alone, the three
 * axes of its rotary positions are one), and the demo's own questions without media, with their answers.
 */
import { readModelFolder } from "../src/families/model_folder.ts";
import { loadPrompt } from "../src/families/registry_prompt.ts";
import { readValley3Config } from "../src/families/valley3/config.ts";
import { Checkpoint } from "../src/model/checkpoint.ts";
import { dequantise } from "../src/model/coded_load.ts";
import { readCheckpointFiles } from "../src/prompt/checkpoint_files.ts";
import { Media } from "../src/prompt/media.ts";
import { HALVES } from "../src/weights/half.ts";
import { PARTS } from "../src/weights/source_gguf.ts";
import { type GgufPart, writeGguf } from "../tests/weights/gguf_writer.ts";
import type { Question } from "../tools/demo_eval/ask.ts";
import { evalPython } from "../tools/demo_eval/python.ts";
import { random } from "../tools/random.ts";
import type { Window } from "./quant_score.ts";

/** Questions without media, and how many of each. */
const TASKS = "text_greeting,text_capabilities,text_category,text_compare,tool_call", EACH = 24;

/**
 * Writes `to` with every tensor in F32; those of `folder` that are codes get noise of half a step, as SmolLM2's do
 * (quant_reference.ts).
 */
export async function writeDemoTrunk(folder: string, to: string, seed: number): Promise<void> {
  const { text, ropeTheta, maxContext } = readValley3Config(readModelFolder(folder).config);
  const { model, added_tokens: added } = (await readCheckpointFiles(folder)).tokenizer as unknown as Bpe;
  const tokens = Object.entries(model.vocab).sort(([, a], [, b]) => a - b).map(([token]) => token);
  const control = new Set(added.map(({ id }) => id));
  const metadata = {
    "general.architecture": "qwen3",
    "qwen3.block_count": text.layers,
    "qwen3.context_length": maxContext,
    "qwen3.embedding_length": text.hidden,
    "qwen3.feed_forward_length": text.intermediate,
    "qwen3.attention.head_count": text.heads,
    "qwen3.attention.head_count_kv": text.kvHeads,
    "qwen3.attention.key_length": text.headDim,
    "qwen3.attention.value_length": text.headDim,
    "qwen3.attention.layer_norm_rms_epsilon": text.eps,
    "qwen3.rope.freq_base": { f32: ropeTheta },
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.merges": model.merges.map((pair) => pair.join(" ")),
    "tokenizer.ggml.token_type": tokens.map((_, id) => control.has(id) ? 3 : 1),
  };
  const checkpoint = Checkpoint.open(folder);
  try {
    const next = random(seed);
    const part = (name: string, official: string, shape: number[]): GgufPart => {
      const values = noisyFloats(checkpoint, `${official}.weight`, shape, next);
      return { name: `${name}.weight`, type: "F32", shape, data: new Uint8Array(values.buffer) };
    };
    const { hidden, intermediate, headDim, heads, kvHeads, vocabSize } = text;
    const q = heads * headDim, kv = kvHeads * headDim;
    const shapes: Record<string, number[]> = {
      attn_norm: [hidden],
      ffn_norm: [hidden],
      attn_q: [q, hidden],
      attn_k: [kv, hidden],
      attn_v: [kv, hidden],
      attn_output: [hidden, q],
      attn_q_norm: [headDim],
      attn_k_norm: [headDim],
      ffn_gate: [intermediate, hidden],
      ffn_up: [intermediate, hidden],
      ffn_down: [hidden, intermediate],
    };
    const trunk = "model.language_model.";
    writeGguf(to, metadata, [
      part("token_embd", `${trunk}embed_tokens`, [vocabSize, hidden]),
      part("output", "lm_head", [vocabSize, hidden]),
      part("output_norm", `${trunk}norm`, [hidden]),
      ...Array.from(
        { length: text.layers },
        (_, layer) =>
          Object.keys(shapes).map((name) =>
            part(`blk.${layer}.${name}`, `${trunk}layers.${layer}.${PARTS[name]}`, shapes[name])
          ),
      ).flat(),
    ]);
  } finally {
    checkpoint.close();
  }
}

/** What is read of a tokenizer.json. */
interface Bpe {
  model: { vocab: Record<string, number>; merges: string[][] };
  added_tokens: { id: number }[];
}

function noisyFloats(
  checkpoint: Checkpoint,
  name: string,
  shape: number[],
  next: () => number,
): Float32Array<ArrayBuffer> {
  const coded = checkpoint.coded(name);
  if (coded === null) return checkpoint.floats(name, shape);
  const [rows, k] = shape, groups = Math.ceil(k / 32);
  const values = dequantise(checkpoint, name, 0, rows, k);
  const pairs = new Uint32Array(checkpoint.rows(`${name}.scale_min`, 0, Math.ceil(rows / 4)).buffer);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < k; i++) {
      const pair = pairs[((r >> 2) * groups + (i >> 5)) * 4 + (r & 3)];
      values[r * k + i] += (next() - 0.5) * HALVES[pair & 0xffff];
    }
  }
  return values;
}

/**
 * Conversations to calibrate on, and others to measure on, of which no question is among the first: only the answer's
 * ids are foretold there, as only answers were trained.
 */
export async function demoConversations(
  project: string,
  folder: string,
): Promise<{ calibration: Uint32Array[]; heldOut: Window[] }> {
  const { prompt } = await loadPrompt(folder, new Media({ ffmpeg: null }), {});
  const python = await evalPython(`${project}tools/demo/requirements.txt`);
  const windowOf = ({ messages, tools = [], expected, taught }: Taught): Window => {
    const asked = prompt.encode(prompt.render(
      [{ role: "user", content: [{ type: "text", text: String(messages[0].content) }] }],
      { tools: tools.map((raw) => ({ name: "", raw })), effort: null, tokenization: "safe" },
    ));
    const answer = prompt.encode(`${taught ?? expected}<|im_end|>`);
    return { ids: Uint32Array.from([...asked, ...answer]), first: asked.length };
  };
  const seen = await questions(project, python, 1);
  const key = ({ messages, tools }: Taught) => JSON.stringify([messages, tools]);
  const known = new Set(seen.map(key));
  const others = (await questions(project, python, 2)).filter((question) => !known.has(key(question)));
  const different = [...new Map(others.map((question) => [key(question), question])).values()];
  return { calibration: seen.map((q) => windowOf(q).ids), heldOut: different.map(windowOf) };
}

/** `taught`: the text of an answer that calls a tool. */
type Taught = Question & { taught?: string };

async function questions(project: string, python: string, seed: number): Promise<Taught[]> {
  const folder = await Deno.makeTempDir({ prefix: "valley-quant-" });
  try {
    const args = ["make_eval.py", "--out", folder, "--n", `${EACH}`, "--seed", `${seed}`, "--tasks", TASKS];
    const cwd = `${project}tools/demo`;
    const { success } = await new Deno.Command(python, { args, cwd, stdin: "null", stdout: "null" }).output();
    if (!success) throw new Error("Cannot make the questions: tools/demo/make_eval.py failed");
    return JSON.parse(Deno.readTextFileSync(`${folder}/questions.json`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
