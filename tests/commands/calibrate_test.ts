/** `convert --calibrate`: every matrix of the text trunk is weighed by what comes into it. */
import { convertCommand } from "../../src/commands/convert.ts";
import { convert } from "../../src/weights/convert.ts";
import { activations } from "../../src/commands/calibration.ts";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { openVerified } from "../../src/weights/verify.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { noise } from "../support/gpu.ts";
import { inFolder } from "../weights/support.ts";

const HIDDEN = 64, INNER = 96, LETTERS = "abcdefghijklmnopqrstuvwxyzĠ";

/** A Llama-like text model of two layers whose tokens are letters. */
function writeModel(folder: string): void {
  const shapes: Record<string, number[]> = {
    "model.embed_tokens.weight": [LETTERS.length + 5, HIDDEN],
    "model.norm.weight": [HIDDEN],
  };
  for (const layer of [0, 1]) {
    const p = `model.layers.${layer}.`;
    for (const norm of ["input_layernorm", "post_attention_layernorm"]) {
      shapes[`${p}${norm}.weight`] = [HIDDEN];
    }
    for (const name of ["q", "k", "v", "o"]) shapes[`${p}self_attn.${name}_proj.weight`] = [HIDDEN, HIDDEN];
    for (const name of ["gate", "up"]) shapes[`${p}mlp.${name}_proj.weight`] = [INNER, HIDDEN];
    shapes[`${p}mlp.down_proj.weight`] = [HIDDEN, INNER];
  }
  const plan: PlannedTensor[] = Object.entries(shapes).map(([name, shape]) => ({
    name,
    dtype: "F32",
    shape,
    bytes: 4 * shape.reduce((a, b) => a * b, 1),
  }));
  const writer = SafetensorsWriter.create(`${folder}/model.safetensors`, plan);
  plan.forEach((t, i) => writer.write(t.name, noise(i + 1, t.bytes / 4, 0.5)));
  writer.finish();
  const config = {
    model_type: "llama",
    vocab_size: LETTERS.length + 5,
    hidden_size: HIDDEN,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    intermediate_size: INNER,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  };
  Deno.writeTextFileSync(`${folder}/config.json`, JSON.stringify(config));
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: null,
      vocab: Object.fromEntries([...LETTERS].map((c, i) => [c, i])),
      merges: [],
    },
  };
  Deno.writeTextFileSync(`${folder}/tokenizer.json`, JSON.stringify(tokenizer));
}

Deno.test("calibration: each matrix of the trunk gets its columns' weights, and other codes with them", async () => {
  await inFolder(async (folder) => {
    writeModel(folder);
    const ids = Uint32Array.from({ length: 100 }, (_, i) => i * 7 % LETTERS.length);
    const importance = await activations(folder, [ids]);
    assertEquals(importance.size, 2 * 7);
    for (const [name, values] of importance) {
      assertEquals(values.length, name.includes("down_proj") ? INNER : HIDDEN, name);
      assert(values.every((v) => v >= 0 && Number.isFinite(v)) && values.some((v) => v > 0), name);
    }
    const terminal = { write: () => {}, isTerminal: false };
    Deno.writeTextFileSync(`${folder}/text.txt`, "a quick brown fox jumps over the lazy dog ".repeat(8));
    const args = [folder, `${folder}/out`, "--calibrate", `${folder}/text.txt`];
    assertEquals(await convertCommand(args, terminal), 0);
    const plain = await convert(folder, `${folder}/plain`, { rounding: "search", workers: 0 });
    const { crc32 } = JSON.parse(Deno.readTextFileSync(`${folder}/out/manifest.json`));
    for (const name of Object.keys(plain.crc32)) {
      const weighed = /layers.*int4$/.test(name);
      if (weighed || !name.includes("layers")) {
        assertEquals(crc32[name] !== plain.crc32[name], weighed, name);
      }
    }
    assert(openVerified(`${folder}/out`, "full") !== null);
    Deno.writeTextFileSync(`${folder}/text.txt`, "too short");
    await assertThrows(() => convertCommand([...args, "--force"], terminal), /under 128 tokens/);
  });
});
