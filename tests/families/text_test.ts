/** Llama-, Qwen2- and Qwen3-style trunks against a reference written from the formulas, cache and decode included. */
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { readTextConfig } from "../../src/families/text/config.ts";
import { TextModel } from "../../src/families/text/model.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import { readTensors } from "../../src/gpu/readback.ts";
import type { Tensor } from "../../src/gpu/tensor.ts";
import { gpuTest, modelSets, noise, withCheckpoint } from "../support/gpu.ts";
import * as reference from "../support/reference.ts";

interface Case {
  model_type: string;
  tie: boolean;
  theta: number;
}

const SIZE = { vocab: 96, hidden: 64, layers: 2, heads: 4, kvHeads: 2, dim: 16, inner: 88 };

function config(c: Case): Record<string, unknown> {
  return {
    model_type: c.model_type,
    vocab_size: SIZE.vocab,
    hidden_size: SIZE.hidden,
    num_hidden_layers: SIZE.layers,
    num_attention_heads: SIZE.heads,
    num_key_value_heads: SIZE.kvHeads,
    intermediate_size: SIZE.inner,
    rms_norm_eps: 1e-5,
    rope_theta: c.theta,
    tie_word_embeddings: c.tie,
  };
}

function weights(c: Case): Record<string, { dtype: "F32"; shape: number[]; data: Float32Array }> {
  const out: Record<string, { dtype: "F32"; shape: number[]; data: Float32Array }> = {};
  let seed = 1;
  const add = (name: string, ...shape: number[]) => {
    const scale = shape.length === 1 ? 1 : 1.5 / Math.sqrt(shape[1]);
    out[name] = { dtype: "F32", shape, data: noise(seed++, shape.reduce((a, b) => a * b, 1), scale) };
  };
  const { vocab, hidden, heads, kvHeads, dim, inner } = SIZE;
  add("model.embed_tokens.weight", vocab, hidden);
  for (let i = 0; i < SIZE.layers; i++) {
    const p = `model.layers.${i}.`;
    add(`${p}input_layernorm.weight`, hidden);
    add(`${p}post_attention_layernorm.weight`, hidden);
    for (const [n, rows] of [["q", heads * dim], ["k", kvHeads * dim], ["v", kvHeads * dim]] as const) {
      add(`${p}self_attn.${n}_proj.weight`, rows, hidden);
      if (c.model_type === "qwen2") add(`${p}self_attn.${n}_proj.bias`, rows);
    }
    if (c.model_type === "qwen3") ["q_norm", "k_norm"].forEach((n) => add(`${p}self_attn.${n}.weight`, dim));
    add(`${p}self_attn.o_proj.weight`, hidden, heads * dim);
    add(`${p}mlp.gate_proj.weight`, inner, hidden);
    add(`${p}mlp.up_proj.weight`, inner, hidden);
    add(`${p}mlp.down_proj.weight`, hidden, inner);
  }
  add("model.norm.weight", hidden);
  if (!c.tie) add("lm_head.weight", vocab, hidden);
  return out;
}

/** Logits of every position, float64 on float32 roundings of the weights. */
function expected(c: Case, w: ReturnType<typeof weights>, ids: number[]): Float64Array {
  const { vocab, hidden, heads, kvHeads, dim, inner } = SIZE;
  const rows = ids.length;
  const of = (name: string) => w[name].data;
  const f32 = (x: ArrayLike<number>) => Float32Array.from(x);
  let x = Float64Array.from(
    ids.flatMap((id) => [...of("model.embed_tokens.weight").subarray(id * hidden, (id + 1) * hidden)]),
  );
  for (let i = 0; i < SIZE.layers; i++) {
    const p = `model.layers.${i}.`;
    const h = f32(reference.rmsnorm(f32(x), of(`${p}input_layernorm.weight`), rows, hidden, 1e-5));
    const bias = (n: string) => w[`${p}self_attn.${n}_proj.bias`]?.data ?? null;
    const project = (n: string, count: number) =>
      reference.linear(h, of(`${p}self_attn.${n}_proj.weight`), bias(n), rows, count * dim, hidden);
    const turn = (v: Float64Array, count: number, normName: string): Float64Array => {
      const weight = w[`${p}self_attn.${normName}.weight`]?.data;
      const normed = weight ? reference.rmsnorm(f32(v), weight, rows * count, dim, 1e-5) : v;
      const out = new Float64Array(v.length);
      for (let r = 0; r < rows; r++) {
        for (let head = 0; head < count; head++) {
          for (let j = 0; j < dim / 2; j++) {
            const angle = r * c.theta ** (-j / (dim / 2));
            const at = (r * count + head) * dim + j;
            out[at] = normed[at] * Math.cos(angle) - normed[at + dim / 2] * Math.sin(angle);
            out[at + dim / 2] = normed[at + dim / 2] * Math.cos(angle) + normed[at] * Math.sin(angle);
          }
        }
      }
      return out;
    };
    const q = turn(project("q", heads), heads, "q_norm");
    const k = turn(project("k", kvHeads), kvHeads, "k_norm");
    const v = project("v", kvHeads);
    const attended = new Float64Array(rows * heads * dim);
    for (let r = 0; r < rows; r++) {
      for (let head = 0; head < heads; head++) {
        const g = Math.floor(head / (heads / kvHeads));
        const at = (t: number, j: number) => (t * kvHeads + g) * dim + j;
        const query = q.subarray((r * heads + head) * dim, (r * heads + head + 1) * dim);
        attended.set(
          reference.attend(query, dim, 0, r + 1, (t, j) => k[at(t, j)], (t, j) => v[at(t, j)]),
          (r * heads + head) * dim,
        );
      }
    }
    const o = reference.linear(
      f32(attended),
      of(`${p}self_attn.o_proj.weight`),
      null,
      rows,
      hidden,
      heads * dim,
    );
    x = x.map((a, j) => a + o[j]);
    const h2 = f32(reference.rmsnorm(f32(x), of(`${p}post_attention_layernorm.weight`), rows, hidden, 1e-5));
    const gate = reference.linear(h2, of(`${p}mlp.gate_proj.weight`), null, rows, inner, hidden);
    const up = reference.linear(h2, of(`${p}mlp.up_proj.weight`), null, rows, inner, hidden);
    const product = f32(gate.map((a, j) => reference.activations.silu(a) * up[j]));
    const down = reference.linear(product, of(`${p}mlp.down_proj.weight`), null, rows, hidden, inner);
    x = x.map((a, j) => a + down[j]);
  }
  const last = f32(reference.rmsnorm(f32(x), of("model.norm.weight"), rows, hidden, 1e-5));
  return reference.linear(
    last,
    of(c.tie ? "model.embed_tokens.weight" : "lm_head.weight"),
    null,
    rows,
    vocab,
    hidden,
  );
}

for (
  const c of [
    { model_type: "llama", tie: true, theta: 10000 },
    { model_type: "qwen2", tie: false, theta: 1e6 },
    { model_type: "qwen3", tie: false, theta: 1e6 },
  ]
) {
  for (const profile of modelSets(c.model_type === "qwen2")) {
    gpuTest(`text trunk: ${c.model_type}, prefill and decode (${profile})`, async (runtime) => {
      runtime.profile = PROFILES[profile];
      const w = weights(c);
      await withCheckpoint(w, async (checkpoint) => {
        const model = await TextModel.load(runtime, checkpoint, readTextConfig(config(c)), {
          precision: "f32",
          kvPrecision: "f32",
          blocks: 4,
          blockSize: 4,
          maxSequences: 2,
          maxBatchTokens: 16,
          eosIds: [],
        });
        const ids = [5, 90, 17, 17, 3, 41, 60];
        const want = expected(c, w, ids);
        const seen: Tensor[] = [];
        const tap = (name: string, t: Tensor) => void (name === "logits" && seen.push(t));
        const blocks = Uint32Array.of(2, 0);
        const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };
        const handles = [model.step([{
          slot: 1,
          ids: Uint32Array.from(ids.slice(0, 5)),
          start: 0,
          positions: Float32Array.of(0, 1, 2, 3, 4),
          mediaRows: null,
          blocks,
          sample,
        }], tap)];
        for (const i of [5, 6]) {
          const one = { slot: 1, start: i, positions: Float32Array.of(i), mediaRows: null, blocks, sample };
          handles.push(model.step([{ ...one, ids: Uint32Array.of(ids[i]) }], tap));
        }
        const drawn = (await model.read(handles)).map(([s]) => s.id);
        const logits = await readTensors(runtime, seen);
        [4, 5, 6].forEach((row, i) => {
          const wanted = want.subarray(row * SIZE.vocab, (row + 1) * SIZE.vocab);
          const error = reference.nmse(logits[i], wanted);
          assert(error < 1e-10, `row ${row}: NMSE ${error}`);
          assertEquals(drawn[i], wanted.indexOf(Math.max(...wanted)));
        });
      });
    });
  }
}

for (const profile of ["threads", "textures"] as const) {
  gpuTest(`blocks saved and restored elsewhere give the same logits (${profile})`, async (runtime) => {
    runtime.profile = PROFILES[profile];
    const c = { model_type: "qwen3", tie: true, theta: 1e6 };
    await withCheckpoint(weights(c), async (checkpoint) => {
      const model = await TextModel.load(runtime, checkpoint, readTextConfig(config(c)), {
        precision: "f32",
        kvPrecision: "f16",
        blocks: 9,
        blockSize: 4,
        maxSequences: 2,
        maxBatchTokens: 16,
        eosIds: [],
      });
      const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0, logprobs: 20 };
      const step = (start: number, ids: number[], blocks: number[]) =>
        model.step([{
          slot: 0,
          ids: Uint32Array.from(ids),
          start,
          positions: Float32Array.from(ids, (_, i) => start + i),
          mediaRows: null,
          blocks: Uint32Array.from(blocks),
          sample,
        }]);
      const [, [before]] = await model.read([
        step(0, [1, 2, 3, 4, 5, 6, 7, 8], [5, 3]),
        step(8, [9], [5, 3, 1]),
      ]);
      const saved = await model.readBlocks(Uint32Array.of(5, 3));
      assertEquals(saved.map((b) => b.length), [1024, 1024]); // 2 layers · (k, v) · 4 tokens · 2 heads · 16 · 2 bytes
      assert(saved[0].some((v, i) => v !== saved[1][i]));
      model.writeBlocks(Uint32Array.of(0, 8), saved);
      const [[after]] = await model.read([step(8, [9], [0, 8, 2])]);
      assertEquals(after, before);
      await assertThrows(
        () => model.writeBlocks(Uint32Array.of(0), [saved[0].subarray(1)]),
        /1023 bytes: 1024 were expected/,
      );
      await assertThrows(() => model.readBlocks(Uint32Array.of(9)), /block 9: there are 9/);
    });
  });
}

Deno.test("text config: what is not computed is refused by name", async () => {
  const base = config({ model_type: "llama", tie: true, theta: 10000 });
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ hidden_act: "gelu" }, /hidden_act is "gelu"/],
    [{ rope_scaling: { rope_type: "llama3" } }, /rope_scaling/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ vocab_size: "96" }, /vocab_size is not a number/],
    [{ num_hidden_layers: 0 }, /num_hidden_layers is not a number over 0/],
    [{ attention_bias: "no" }, /attention_bias is neither true nor false/],
  ];
  for (const [change, pattern] of bad) {
    await assertThrows(() => readTextConfig({ ...base, ...change }), pattern);
  }
});
