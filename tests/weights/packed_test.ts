/** GPTQ and AWQ checkpoints as sources: the values are those that their formulas give. */
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { floatRows } from "../../src/model/linear_load.ts";
import { type Dtype, toHalf } from "../../src/gpu/safetensors.ts";
import { convert } from "../../src/weights/convert.ts";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { random, roundTo } from "../support/gpu.ts";
import { inFolder } from "./support.ts";

const K = 128, N = 24, GROUP = 64;
/** AutoAWQ's order of the eight columns in a word. */
const AWQ_PACK = [0, 2, 4, 6, 1, 3, 5, 7];

interface Packed {
  method: "gptq" | "awq";
  /** GPTQ act-order: columns belong to groups in no order. */
  ordered?: boolean;
  v2?: boolean;
  group?: number;
}

/** Writes a checkpoint with one matrix as the packages do. @returns its values [N, K] */
function writePacked(folder: string, { method, ordered, v2, group = GROUP }: Packed): Float32Array {
  const next = random(5);
  const groups = K / group;
  const code = Array.from({ length: N }, () => Array.from({ length: K }, () => Math.floor(next() * 16)));
  const zero = Array.from(
    { length: groups },
    () => Array.from({ length: N }, () => 1 + Math.floor(next() * 15)),
  );
  const scales = roundTo("F16", Float32Array.from({ length: groups * N }, () => 0.01 + next() * 0.1));
  const groupOf = Int32Array.from(
    { length: K },
    (_, c) => ordered ? (c * 7) % groups : Math.floor(c / group),
  );
  const pack = (rows: number, words: number, at: (row: number, word: number, i: number) => number) =>
    Int32Array.from({ length: rows * words }, (_, j) => {
      let value = 0;
      for (let i = 0; i < 8; i++) value |= at(Math.floor(j / words), j % words, i) << (4 * i);
      return value;
    });
  const gptq = method === "gptq";
  const lane = (i: number) => gptq ? i : AWQ_PACK[i];
  const qweight = gptq
    ? pack(K / 8, N, (row, word, i) => code[word][8 * row + i])
    : pack(K, N / 8, (row, word, i) => code[8 * word + lane(i)][row]);
  const qzeros = pack(groups, N / 8, (g, word, i) => zero[g][8 * word + lane(i)] - (gptq && !v2 ? 1 : 0));
  const tensors: Record<string, { dtype: Dtype; shape: number[]; data: Int32Array | Uint16Array }> = {
    "model.q.qweight": { dtype: "I32", shape: gptq ? [K / 8, N] : [K, N / 8], data: qweight },
    "model.q.qzeros": { dtype: "I32", shape: [groups, N / 8], data: qzeros },
    "model.q.scales": { dtype: "F16", shape: [groups, N], data: Uint16Array.from(scales, toHalf) },
    ...(gptq ? { "model.q.g_idx": { dtype: "I32", shape: [K], data: groupOf } } : {}),
    "model.norm.weight": { dtype: "F16", shape: [4], data: Uint16Array.from([1, 2, 3, 4], toHalf) },
  };
  Deno.mkdirSync(folder, { recursive: true });
  const plan: PlannedTensor[] = Object.entries(tensors).map(([name, t]) => ({
    name,
    dtype: t.dtype,
    shape: t.shape,
    bytes: t.data.byteLength,
  }));
  const writer = SafetensorsWriter.create(`${folder}/model.safetensors`, plan);
  for (const [name, t] of Object.entries(tensors)) writer.write(name, t.data);
  writer.finish();
  const quantization_config = {
    quant_method: method,
    bits: 4,
    group_size: group,
    ...(v2 ? { checkpoint_format: "gptq_v2" } : {}),
    ...(gptq ? {} : { version: "gemm" }),
  };
  Deno.writeTextFileSync(
    `${folder}/config.json`,
    JSON.stringify({ model_type: "test", quantization_config }),
  );
  return Float32Array.from({ length: N * K }, (_, i) => {
    const [row, c] = [Math.floor(i / K), i % K];
    const g = groupOf[c];
    return scales[g * N + row] * (code[row][c] - zero[g][row]);
  });
}

const CASES: Record<string, [Packed, number]> = {
  "GPTQ": [{ method: "gptq" }, 1e-3],
  "GPTQ v2, groups of 128": [{ method: "gptq", v2: true, group: 128 }, 1e-3],
  "GPTQ with act-order, rounded again": [{ method: "gptq", ordered: true }, 0.08],
  "AWQ": [{ method: "awq" }, 1e-3],
};

for (const [name, [packed, tolerance]] of Object.entries(CASES)) {
  Deno.test(`packed: ${name}`, async () => {
    await inFolder(async (folder) => {
      const wanted = writePacked(`${folder}/in`, packed);
      await convert(`${folder}/in`, `${folder}/out`, { workers: 0 });
      const checkpoint = Checkpoint.open(`${folder}/out`);
      try {
        const values = floatRows(checkpoint, { name: "model.q.weight", n: N }, 0, N, K);
        values.forEach((v, i) =>
          assert(Math.abs(v - wanted[i]) <= tolerance, `${i}: ${v}, not ${wanted[i]}`)
        );
        assertEquals([...checkpoint.floats("model.norm.weight")], [1, 2, 3, 4]);
        assertEquals(checkpoint.has("model.q.qweight"), false);
      } finally {
        checkpoint.close();
      }
      const config = JSON.parse(Deno.readTextFileSync(`${folder}/out/config.json`));
      assertEquals(config, { model_type: "test" });
    });
  });
}

Deno.test("packed: other bits and methods are named", async () => {
  await inFolder(async (folder) => {
    writePacked(`${folder}/in`, { method: "awq" });
    const refuse = (q: unknown, wanted: RegExp) => {
      Deno.writeTextFileSync(`${folder}/in/config.json`, JSON.stringify({ quantization_config: q }));
      return assertThrows(() => convert(`${folder}/in`, `${folder}/out`, { workers: 0 }), wanted);
    };
    await refuse({ quant_method: "bitsandbytes" }, /quantised by bitsandbytes/);
    await refuse({ quant_method: "gptq", bits: 8, group_size: 64 }, /8 bits, 4 are read/);
    await refuse({ quant_method: "gptq", bits: 4, group_size: 40 }, /groups have 40 columns/);
    await refuse({ quant_method: "gptq", bits: 4, group_size: 128 }, /model\.q\.\w+ is I32/);
  });
});
