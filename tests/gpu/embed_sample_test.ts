/** Token embedding with media rows, and drawing ids, against CPU references. */
import { assert, assertEquals } from "../support/assert.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import type { Runtime } from "../../src/gpu/runtime.ts";
import { readBytes } from "../../src/gpu/readback.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { embedTokens } from "../../src/model/embedding.ts";
import { floatRows, loadLinear } from "../../src/model/linear_load.ts";
import { drawIds } from "../../src/model/sampler.ts";
import { Workspace } from "../../src/gpu/tensor.ts";
import { convert } from "../../src/weights/convert.ts";
import {
  download,
  gpuTest,
  noise,
  roundTo,
  type StoredDtype,
  upload,
  withCheckpoint,
  words,
} from "../support/gpu.ts";

for (const profile of ["threads", "textures", "images"] as const) {
  gpuTest(`embed: every format, ids drawn on the device, media rows, shards (${profile})`, (runtime) => {
    runtime.profile = PROFILES[profile];
    return embedCase(runtime);
  });
}

async function embedCase(runtime: Runtime): Promise<void> {
  const [vocab, hidden] = [150, 72];
  for (const dtype of ["F32", "F16", "BF16", "int4", "int8"]) {
    const coded = dtype.startsWith("int");
    const stored = (coded ? "F32" : dtype) as StoredDtype;
    const data = roundTo(stored, noise(3, vocab * hidden));
    await withCheckpoint({ "e": { dtype: stored, shape: [vocab, hidden], data } }, async (plain, folder) => {
      if (coded) await convert(folder, `${folder}/coded`, dtype === "int8" ? { bits: 9 } : {});
      const checkpoint = coded ? Checkpoint.open(`${folder}/coded`) : plain;
      const limit = runtime.gpu.limits.storageBinding;
      runtime.gpu.limits.storageBinding = 64 * hidden * 4;
      const spec = {
        name: "e",
        k: hidden,
        sources: [{ name: "e", n: vocab }],
        bias: null,
        precision: "f32" as const,
      };
      const table = loadLinear(runtime, checkpoint, spec);
      runtime.gpu.limits.storageBinding = limit;
      const want = floatRows(checkpoint, { name: "e", n: vocab }, 0, vocab, hidden);
      const media = noise(4, 5 * hidden);
      const token = Uint32Array.of(0, 149, 0x80000002, 64, 127, 9);
      const from = Uint32Array.of(0, 0, 0, 0, 5, 1);
      const out = runtime.memory.tensor("out", token.length, hidden);
      const store = upload(runtime, media, 5, hidden);
      const pass = runtime.begin("test");
      const rows = {
        rows: token.length,
        token: words(runtime, token),
        media: words(runtime, from),
        drawn: words(runtime, Uint32Array.of(1, 2, 77, 3)),
        store,
      };
      embedTokens(pass, table, rows, out);
      pass.submit();
      const row = (id: number) => [...want.subarray(id * hidden, (id + 1) * hidden)];
      const picture = (r: number) => [...media.subarray(r * hidden, (r + 1) * hidden)];
      const all = [row(0), row(149), row(77), row(64), picture(4), picture(0)].flat();
      const got = await download(runtime, out);
      const worst = all.reduce((a, v, i) => Math.max(a, Math.abs(v - got[i])), 0);
      assert(worst < 1e-6, `${dtype}: off by ${worst}`);
      if (coded) checkpoint.close();
    });
  }
}

interface Draw {
  temperature: number;
  topP?: number;
  topK?: number;
  minP?: number;
  seed?: number;
  index?: number;
}

async function draw(runtime: Runtime, logits: Float32Array, vocab: number, draws: Draw[]): Promise<number[]> {
  const rows = draws.length;
  const data = new Uint32Array(rows * 8);
  const floats = new Float32Array(data.buffer);
  draws.forEach((d, r) => {
    data.set([rows - 1 - r, d.seed ?? 0, d.index ?? 0, d.topK ?? 0], r * 8);
    floats.set([d.temperature, d.topP ?? 1, d.minP ?? 0], r * 8 + 4);
  });
  const input = upload(runtime, logits, rows, vocab);
  const drawn = words(runtime, new Uint32Array(rows));
  const results = words(runtime, new Uint32Array(4 * rows));
  const pass = runtime.begin("test");
  const shape = { rows, vocab, stride: input.stride, result_stride: 4 };
  const work = new Workspace(runtime.memory);
  drawIds(pass, work, input, { draws: words(runtime, data), drawn, results }, shape);
  pass.submit();
  const [a, b] = await readBytes(runtime, [
    { buf: results.buf, offset: 0, size: rows * 16 },
    { buf: drawn.buf, offset: 0, size: rows * 4 },
  ])();
  const got = [...new Uint32Array(a.buffer)].filter((_, i) => i % 4 === 0);
  assertEquals([...new Uint32Array(b.buffer)].reverse(), got, "slots hold what was drawn");
  return got;
}

gpuTest("sample: greedy takes the first of the largest, at either end and with ties", async (runtime) => {
  const vocab = 999;
  const rows = [0, 998, 500, 3].map((best, i) => {
    const row = noise(i, vocab, 5);
    row[best] = 9;
    if (best === 500) row[700] = 9;
    return row;
  });
  const logits = Float32Array.from(rows.flatMap((r) => [...r]));
  assertEquals(await draw(runtime, logits, vocab, rows.map(() => ({ temperature: 0 }))), [0, 998, 500, 3]);
});

gpuTest("sample: all logits very low or equal still gives an id of the vocabulary", async (runtime) => {
  const vocab = 130;
  const logits = new Float32Array(2 * vocab).fill(-1e30);
  const [a, b] = await draw(runtime, logits, vocab, [{ temperature: 0 }, { temperature: 1, seed: 5 }]);
  assertEquals(a, 0);
  assert(b < vocab);
});

/** Draws many times from one row by varying the token index. */
async function histogram(
  runtime: Runtime,
  row: Float32Array,
  options: Draw,
  times: number,
): Promise<Float64Array> {
  const counts = new Float64Array(row.length);
  for (let done = 0; done < times; done += 1000) {
    const logits = new Float32Array(1000 * row.length);
    for (let i = 0; i < 1000; i++) logits.set(row, i * row.length);
    const draws = Array.from({ length: 1000 }, (_, i) => ({ ...options, index: done + i }));
    for (const id of await draw(runtime, logits, row.length, draws)) counts[id] += 1 / times;
  }
  return counts;
}

/** What sampling should give: min_p, then top_k, then top_p on what is left. */
function expected(row: Float32Array, d: Draw): Float64Array {
  const top = Math.max(...row);
  let kept = [...row].map((v, id) => ({ id, p: Math.exp((v - top) / d.temperature) }));
  kept = kept.filter(({ p }) => p >= (d.minP ?? 0)).sort((a, b) => b.p - a.p);
  if (d.topK) kept = kept.slice(0, d.topK);
  const whole = kept.reduce((a, { p }) => a + p, 0);
  let sum = 0;
  const last = kept.findIndex(({ p }) => (sum += p / whole) >= (d.topP ?? 1));
  if (last >= 0) kept = kept.slice(0, last + 1);
  const out = new Float64Array(row.length);
  const left = kept.reduce((a, { p }) => a + p, 0);
  for (const { id, p } of kept) out[id] = p / left;
  return out;
}

gpuTest(
  "sample: temperature, top_k, top_p, min_p and all together follow their distribution",
  async (runtime) => {
    const row = noise(8, 40, 3);
    const cases: Draw[] = [
      { temperature: 1 },
      { temperature: 0.5 },
      { temperature: 1.5, topK: 5 },
      { temperature: 1, topK: 1 },
      { temperature: 1, topP: 0.6 },
      { temperature: 1, minP: 0.2 },
      { temperature: 1.3, topK: 12, topP: 0.7, minP: 0.05 },
    ];
    const times = 1000;
    for (const options of cases) {
      const got = await histogram(runtime, row, { ...options, seed: 12 }, times);
      const want = expected(row, options);
      want.forEach((p, id) => {
        if (p === 0) assertEquals(got[id], 0, `id ${id} is cut off by ${JSON.stringify(options)}`);
        const tolerance = 5 * Math.sqrt(p * (1 - p) / times) + 1e-9;
        assert(
          Math.abs(got[id] - p) <= tolerance,
          `id ${id}: ${got[id]}, expected ${p} (${JSON.stringify(options)})`,
        );
      });
    }
  },
);

gpuTest("sample: a draw depends on seed and index, not on its place in the batch", async (runtime) => {
  const vocab = 200;
  const row = noise(9, vocab, 1);
  const logits = Float32Array.from([...row, ...row, ...row]);
  const one = { temperature: 1, seed: 7, index: 3 };
  const [a, b, c] = await draw(runtime, logits, vocab, [one, { ...one, index: 4 }, one]);
  const [alone] = await draw(runtime, row, vocab, [one]);
  assertEquals(a, c);
  assertEquals(a, alone);
  const others = await Promise.all(
    [1, 2, 3, 4, 5].map((seed) => draw(runtime, row, vocab, [{ ...one, seed }])),
  );
  assert(new Set([b, ...others.flat()]).size > 2, "seeds and indices must matter");
});

function hash(a: number, b: number, c: number): number {
  let h = Math.imul(a, 747796405) + 2891336453;
  h = Math.imul(h ^ h >>> 16, 2246822519) + b;
  h = Math.imul(h ^ h >>> 13, 3266489917) + c;
  h = Math.imul(h ^ h >>> 16, 668265263);
  h = Math.imul(h ^ h >>> 15, 2246822519);
  return (h ^ h >>> 16) >>> 0;
}

/** The id that a draw should give, in float64; ties at a cut stay. */
function drawnId(
  row: Float32Array,
  { temperature, topK = 0, topP = 1, minP = 0, seed = 0, index = 0 }: Draw,
): number {
  const top = row.reduce((a, v) => Math.max(a, v));
  if (temperature === 0) return row.indexOf(top);
  let kept = [...row].map((v, id) => ({ id, v, p: Math.exp((v - top) / temperature) })).filter(({ p }) =>
    p >= minP
  );
  kept.sort((a, b) => b.v - a.v);
  const cutAt = (least: number) => kept = kept.filter(({ v }) => v >= least);
  if (topK && topK < kept.length) cutAt(kept[topK - 1].v);
  if (topP < 1) {
    const wanted = topP * kept.reduce((a, { p }) => a + p, 0);
    let sum = 0;
    cutAt((kept.find(({ p }) => (sum += p) >= wanted) ?? kept.at(-1)!).v);
  }
  const score = ({ id, v }: { id: number; v: number }) =>
    v / temperature - Math.log(-Math.log(((hash(seed, index, id) >>> 8) + 0.5) / 16777216));
  return kept.reduce((a, b) => score(b) > score(a) || (score(b) === score(a) && b.id < a.id) ? b : a).id;
}

const CUTS: Omit<Draw, "temperature">[] = [
  {},
  { topK: 20, topP: 0.8 },
  { topK: 1000 },
  { topP: 0.95 },
  { topP: 0.999 },
  { minP: 0.05 },
  { topK: 50, topP: 0.9, minP: 0.01 },
];

for (const profile of ["threads", "textures"] as const) {
  gpuTest(
    `sample: many tiles, ties across them, one lane's, one alone, odd sizes (${profile})`,
    async (runtime) => {
      runtime.profile = PROFILES[profile];
      for (const vocab of [151_936, 20_001, 513, 130]) {
        const plain = noise(vocab, vocab, 6);
        const ties = plain.map((v) => Math.round(v) + 0);
        const lane = plain.map((v, i) => i % 512 === 5 ? 9 + i / vocab : v);
        const alone = new Float32Array(vocab).fill(-3e38);
        alone[vocab - 1] = 1;
        for (const row of [plain, ties, lane, alone]) {
          const draws = [
            { temperature: 0 },
            ...CUTS.map((c, i) => ({ ...c, temperature: 0.7, seed: 99 + i, index: i })),
          ];
          const logits = Float32Array.from(draws.flatMap(() => [...row]));
          const got = await draw(runtime, logits, vocab, draws);
          assertEquals(got, draws.map((d) => drawnId(row, d)), `vocabulary of ${vocab}`);
        }
      }
    },
  );
}
