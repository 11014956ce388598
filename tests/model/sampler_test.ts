/** Penalties, bias, masks and log-probabilities on the device against their formulas. */
import { assert, assertEquals } from "../support/assert.ts";
import type { LogitAdjust, Sampled, SequenceStep } from "../../src/families/family.ts";
import type { Runtime } from "../../src/gpu/runtime.ts";
import { Workspace } from "../../src/gpu/tensor.ts";
import { Sampler } from "../../src/model/sampler.ts";
import { gpuTest, noise, upload } from "../support/gpu.ts";

const VOCAB = 90;

const NEUTRAL: LogitAdjust = { repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0, bias: [] };

function stepOf(
  slot: number,
  rest: Partial<SequenceStep> & { adjust?: LogitAdjust; logprobs?: number } = {},
): SequenceStep {
  const { adjust, logprobs, ...more } = rest;
  const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0, adjust, logprobs };
  const base = {
    slot,
    ids: null,
    start: 5,
    positions: new Float32Array(1),
    mediaRows: null,
    blocks: new Uint32Array(1),
  };
  return { ...base, sample, ...more };
}

async function draw(
  runtime: Runtime,
  sampler: Sampler,
  logits: Float32Array,
  steps: SequenceStep[],
): Promise<Sampled[]> {
  const input = upload(runtime, logits, steps.length, VOCAB);
  const pass = runtime.begin("test");
  const drawn = sampler.draw(pass, input, steps);
  pass.submit();
  return await sampler.read(drawn);
}

/** What the adjusted logits should be, for one row. */
function adjusted(
  row: Float32Array,
  a: LogitAdjust,
  prompt: number[],
  answer: number[],
  mask?: Set<number>,
): number[] {
  return [...row].map((v, id) => {
    const times = answer.filter((x) => x === id).length;
    if (times || prompt.includes(id)) v = v > 0 ? v / a.repetitionPenalty : v * a.repetitionPenalty;
    if (times) v -= a.frequencyPenalty * times + a.presencePenalty;
    v += a.bias.find(([b]) => b === id)?.[1] ?? 0;
    return mask && !mask.has(id) ? -3e38 : v;
  });
}

const largest = (row: number[]): number => row.indexOf(Math.max(...row));

gpuTest("penalties: history given once, drawn ids counted from then on, slots apart", async (runtime) => {
  const sampler = new Sampler(runtime, VOCAB, 4, new Workspace(runtime.memory));
  const adjust = { ...NEUTRAL, repetitionPenalty: 1.4, frequencyPenalty: 0.7, presencePenalty: 0.5 };
  const prompts = [[3, 3, 70], [8, 89]];
  const answers: number[][] = [[5], []];
  for (let round = 0; round < 12; round++) {
    const logits = noise(round % 3, 2 * VOCAB, 3);
    const history = (i: number) =>
      round === 0
        ? { prompt: Uint32Array.from(prompts[i]), answer: Uint32Array.from(answers[i]) }
        : undefined;
    const steps = [0, 1].map((i) => stepOf(i === 0 ? 3 : 1, { adjust, history: history(i) }));
    const drawn = await draw(runtime, sampler, logits, steps);
    for (const i of [0, 1]) {
      const row = logits.subarray(i * VOCAB, (i + 1) * VOCAB);
      const want = largest(adjusted(row, adjust, prompts[i], answers[i]));
      assertEquals(drawn[i].id, want, `round ${round}, sequence ${i}`);
      answers[i].push(want);
    }
  }
  const fresh = { prompt: Uint32Array.of(1), answer: new Uint32Array(0) };
  const logits = noise(0, VOCAB, 3);
  const [again] = await draw(runtime, sampler, logits, [stepOf(3, { adjust, history: fresh })]);
  assertEquals(again.id, largest(adjusted(logits, adjust, [1], [])), "a new sequence in a slot starts anew");
});

gpuTest("bias and masks, in a batch where other rows have neither", async (runtime) => {
  const sampler = new Sampler(runtime, VOCAB, 4, new Workspace(runtime.memory));
  const logits = noise(4, 4 * VOCAB, 2);
  const rows = [0, 1, 2, 3].map((r) => logits.subarray(r * VOCAB, (r + 1) * VOCAB));
  const bias = { ...NEUTRAL, bias: [[7, 50], [8, 49], [0, -100]] as [number, number][] };
  const allowed = new Set([2, 31, 32, 64, 89]);
  const mask = new Uint32Array(3);
  for (const id of allowed) mask[id >> 5] |= 1 << (id & 31);
  const only = new Uint32Array(3);
  only[2] = 1 << 25;
  const steps = [
    stepOf(0),
    stepOf(1, { adjust: bias }),
    stepOf(2, { mask }),
    stepOf(3, { mask: only, adjust: bias }),
  ];
  const ids = (await draw(runtime, sampler, logits, steps)).map((s) => s.id);
  assertEquals(ids, [largest([...rows[0]]), 7, largest(adjusted(rows[2], NEUTRAL, [], [], allowed)), 89]);
});

gpuTest(
  "log-probabilities: of the raw logits, largest first, ties by id, only where asked",
  async (runtime) => {
    const sampler = new Sampler(runtime, VOCAB, 4, new Workspace(runtime.memory));
    const logits = noise(5, 3 * VOCAB, 4);
    logits[VOCAB + 10] = logits[VOCAB + 11] = 9;
    const push = { ...NEUTRAL, bias: [[20, 90]] as [number, number][] };
    const steps = [stepOf(0), stepOf(1, { logprobs: 20, adjust: push }), stepOf(2, { logprobs: 0 })];
    const [none, many, chosen] = await draw(runtime, sampler, logits, steps);
    assertEquals(none.logprob, undefined);
    const logs = (r: number) => {
      const row = [...logits.subarray(r * VOCAB, (r + 1) * VOCAB)];
      const top = Math.max(...row);
      const sum = Math.log(row.reduce((a, v) => a + Math.exp(v - top), 0));
      return row.map((v) => v - top - sum);
    };
    const want = logs(1).map((logprob, id) => ({ id, logprob })).sort((a, b) =>
      b.logprob - a.logprob || a.id - b.id
    );
    assertEquals(many.top!.map((t) => t.id), want.slice(0, 20).map((t) => t.id));
    assertEquals(many.top!.slice(0, 2).map((t) => t.id), [10, 11]);
    many.top!.forEach((t, i) => assert(Math.abs(t.logprob - want[i].logprob) < 1e-4));
    assertEquals(many.id, 20);
    assert(Math.abs(many.logprob! - logs(1)[20]) < 1e-4, "the raw logit's, not the biased one's");
    assertEquals(chosen.top, []);
    assert(Math.abs(chosen.logprob! - Math.max(...logs(2))) < 1e-4);
  },
);
