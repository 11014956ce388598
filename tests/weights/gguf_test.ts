/** GGUF: blocks against llama.cpp's own Python package, a small model's file end to end, damaged headers. */
import { Tokenizer } from "../../src/prompt/tokenizer.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { floatRows } from "../../src/model/linear_load.ts";
import { convert } from "../../src/weights/convert.ts";
import { GGUF_TYPES, GgufFile, type GgufType } from "../../src/weights/gguf.ts";
import {
  codedBits,
  type CodedType,
  floatsOfBlocks,
  int4OfBlocks,
  int8OfBlocks,
} from "../../src/weights/gguf_values.ts";
import { fromHalf } from "../../src/gpu/safetensors.ts";
import { openVerified } from "../../src/weights/verify.ts";
import blocks from "../fixtures/gguf_blocks.json" with { type: "json" };
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { noise, random } from "../support/gpu.ts";
import { type GgufPart, writeGguf } from "./gguf_writer.ts";
import { inFolder } from "./support.ts";

const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

Deno.test("GGUF blocks: every type gives the values that PyPI's gguf gives", () => {
  for (const [name, given] of Object.entries(blocks.types)) {
    const type = name as GgufType;
    const data = bytesOf(given.blocks);
    const wanted = new Float32Array(bytesOf(given.values).buffer);
    const values = floatsOfBlocks(type, data);
    assertEquals(values.length, 256);
    const off = values.findIndex((v, i) => Math.abs(v - wanted[i]) > 1e-6 * (1 + Math.abs(wanted[i])));
    assert(off < 0, `${type}: value ${off} is ${values[off]}, not ${wanted[off]}`);
    const bits = codedBits(type);
    if (bits === null) continue;
    const q = bits === 8 ? int8OfBlocks(data, 1, 256) : int4OfBlocks(type as CodedType, data, 1, 256);
    for (let i = 0; i < 256; i++) {
      const pair = q.scales[4 * (i >> 5)], lane = i & 7;
      const code = bits === 8
        ? (q.words[4 * (i >> 2)] >>> (8 * (i & 3))) & 255
        : (q.words[4 * (i >> 3)] >>> (lane < 4 ? 8 * lane : 8 * lane - 28)) & 15;
      const value = fromHalf(pair & 0xffff) * code + fromHalf(pair >>> 16);
      // Q4_K's products are rounded to half precision: 15 codes and the minimum, each within 2⁻¹¹.
      const allowed = type === "Q4_K" ? 2 ** -11 * (15 * Math.abs(fromHalf(pair & 0xffff)) + 1) : 1e-9;
      assert(Math.abs(value - wanted[i]) <= allowed, `${type} as int${bits}: ${value}, not ${wanted[i]}`);
    }
  }
});

const HIDDEN = 64, HEADS = 2, DIM = 32, INNER = 96;
const TOKENS = ["<|end|>", "a", "b", "ab", "Ġ", "c"];

function parts(): GgufPart[] {
  const quantised = (name: string, type: GgufType, n: number, k: number, seed: number): GgufPart => {
    const block = GGUF_TYPES[type];
    const data = Uint8Array.from(
      { length: n * k / block.values * block.bytes },
      ((next) => () => next() * 256)(random(seed)),
    );
    // Scales that are finite and small: 0x2c.. is about 0.06.
    for (let at = 0; at < data.length; at += block.bytes) {
      data[at + 1] = 0x2c;
      if (type === "Q4_1" || type === "Q5_1") data[at + 3] = 0xac;
    }
    return { name, type, shape: [n, k], data };
  };
  const vector = (name: string, n: number): GgufPart => ({
    name,
    type: "F32",
    shape: [n],
    data: new Uint8Array(noise(n, n).buffer),
  });
  return [
    quantised("token_embd.weight", "Q8_0", TOKENS.length, HIDDEN, 1),
    vector("blk.0.attn_norm.weight", HIDDEN),
    quantised("blk.0.attn_q.weight", "Q4_1", HEADS * DIM, HIDDEN, 2),
    quantised("blk.0.attn_k.weight", "Q4_0", DIM, HIDDEN, 3),
    quantised("blk.0.attn_v.weight", "Q4_1", DIM, HIDDEN, 4),
    quantised("blk.0.attn_output.weight", "Q4_1", HIDDEN, HEADS * DIM, 5),
    vector("blk.0.ffn_norm.weight", HIDDEN),
    quantised("blk.0.ffn_gate.weight", "Q4_0", INNER, HIDDEN, 6),
    quantised("blk.0.ffn_up.weight", "Q4_0", INNER, HIDDEN, 7),
    quantised("blk.0.ffn_down.weight", "Q5_1", HIDDEN, INNER, 8),
    vector("output_norm.weight", HIDDEN),
  ];
}

const METADATA = {
  "general.architecture": "llama",
  "llama.block_count": 1,
  "llama.context_length": 512,
  "llama.embedding_length": HIDDEN,
  "llama.feed_forward_length": INNER,
  "llama.attention.head_count": HEADS,
  "llama.attention.head_count_kv": 1,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "smollm",
  "tokenizer.ggml.tokens": TOKENS,
  "tokenizer.ggml.merges": ["a b"],
  "tokenizer.ggml.token_type": [3, 1, 1, 1, 1, 1],
  "tokenizer.ggml.eos_token_id": 0,
  "tokenizer.chat_template": "{{ messages[0].content }}",
};

Deno.test("GGUF model: 4-bit tensors without loss, rotary pairs put back, config and tokenizer made", async () => {
  await inFolder(async (folder) => {
    const given = parts();
    writeGguf(`${folder}/m.gguf`, METADATA, given);
    await convert(`${folder}/m.gguf`, `${folder}/out`, { workers: 0 });
    const checkpoint = Checkpoint.open(`${folder}/out`, openVerified(`${folder}/out`, "full"));
    try {
      const check = (part: number, name: string, order: (row: number) => number, tolerance = 0) => {
        const { type, data, shape: [n, k] } = given[part];
        const wanted = floatsOfBlocks(type, data);
        const values = floatRows(checkpoint, { name, n }, 0, n, k);
        for (let r = 0; r < n; r++) {
          for (let i = 0; i < k; i++) {
            const [is, should] = [values[r * k + i], wanted[order(r) * k + i]];
            assert(Math.abs(is - should) <= tolerance, `${name}[${r}, ${i}] is ${is}, not ${should}`);
          }
        }
      };
      const same = (row: number) => row;
      const pairs = (row: number) => row - row % DIM + (row % 16) * 2 + (row % DIM >> 4);
      check(0, "model.embed_tokens.weight", same);
      check(2, "model.layers.0.self_attn.q_proj.weight", pairs);
      check(3, "model.layers.0.self_attn.k_proj.weight", pairs);
      check(4, "model.layers.0.self_attn.v_proj.weight", same);
      check(7, "model.layers.0.mlp.gate_proj.weight", same);
      assertEquals(checkpoint.dtype("model.embed_tokens.weight"), "int8");
      check(9, "model.layers.0.mlp.down_proj.weight", same, 0.02); // five bits to eight
      assertEquals(checkpoint.dtype("model.layers.0.mlp.down_proj.weight"), "int8");
    } finally {
      checkpoint.close();
    }
    const read = (name: string) => Deno.readTextFileSync(`${folder}/out/${name}`);
    const config = JSON.parse(read("config.json"));
    assertEquals([config.model_type, config.vocab_size, config.head_dim, config.tie_word_embeddings], [
      "llama",
      6,
      DIM,
      true,
    ]);
    const tokenizer = new Tokenizer(JSON.parse(read("tokenizer.json")));
    assertEquals([...tokenizer.encode("ab<|end|>ca")], [3, 0, 5, 1]);
    assertEquals(read("chat_template.jinja"), "{{ messages[0].content }}");
  });
});

Deno.test("GGUF: what is not read is named; a damaged header never passes as something else", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/m.gguf`;
    const refuse = async (changes: Record<string, unknown>, wanted: RegExp) => {
      writeGguf(path, { ...METADATA, ...changes } as typeof METADATA, parts());
      await assertThrows(() => convert(path, `${folder}/out`, { workers: 0 }), wanted);
    };
    writeGguf(path, METADATA, parts());
    await assertThrows(
      () => convert(path, `${folder}/out`, { workers: 0, bits: 6 }),
      /to 6 bits: its weights are codes/,
    );
    await refuse({ "general.architecture": "gemma" }, /general\.architecture is gemma/);
    await refuse({ "llama.rope.scaling.type": "yarn" }, /rotary scaling \(yarn\)/);
    await refuse({ "tokenizer.ggml.pre": "tekken" }, /tokenizer\.ggml\.pre is tekken/);
    writeGguf(path, METADATA, parts());
    const whole = Deno.readFileSync(path);
    const next = random(3);
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const bytes = whole.slice(0, i % 4 === 0 ? Math.floor(next() * whole.length) : whole.length);
      for (let j = 0; j < 3; j++) bytes[Math.floor(next() * Math.min(bytes.length, 1400))] = next() * 256;
      Deno.writeFileSync(path, bytes);
      try {
        GgufFile.open(path).close();
      } catch (error) {
        refused++;
        assert(/^Cannot read /.test((error as Error).message), `${(error as Error).stack}`);
      }
    }
    assert(refused > 100, `${refused} refused`);
  });
});
