/** Keys and values as int8: the demo model's logits move by what a byte costs, and its answers stay. */

import { assert } from "../support/assert.ts";
import { loadModel } from "../../src/families/registry.ts";
import type { SequenceStep } from "../../src/families/family.ts";
import type { ProfileName } from "../../src/gpu/profiles.ts";

const PROMPT = Uint32Array.from({ length: 90 }, (_, i) => 60 + (i * 37) % 700);

/** The 20 best log-probabilities after the prompt and after each of eight given ids. */
async function scores(kvPrecision: "f16" | "int8", profile: ProfileName): Promise<Map<number, number>[]> {
  const model = await loadModel("weights/demo", { kvPrecision, maxSequences: 1, kvBytes: 8 << 20, profile });
  try {
    const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0, logprobs: 20 };
    const blocks = Uint32Array.from({ length: 8 }, (_, i) => i);
    const step = (start: number, ids: Uint32Array): SequenceStep => {
      const positions = Float32Array.from({ length: 3 * ids.length }, (_, i) => start + i % ids.length);
      return { slot: 0, ids, start, positions, mediaRows: null, blocks, sample };
    };
    const steps = [model.step([step(0, PROMPT)])];
    for (let i = 0; i < 8; i++) steps.push(model.step([step(90 + i, Uint32Array.of(200 + 11 * i))]));
    const drawn = await model.read(steps);
    return drawn.map(([s]) => new Map(s.top!.map(({ id, logprob }) => [id, logprob])));
  } finally {
    model.destroy();
  }
}

for (const profile of ["threads", "textures"] as const) {
  Deno.test(`int8 keys and values: log-probabilities near those of half precision (${profile})`, async () => {
    const [half, bytes] = [await scores("f16", profile), await scores("int8", profile)];
    let most = 0;
    half.forEach((want, i) => {
      for (const [id, logprob] of [...want].slice(0, 5)) {
        const got = bytes[i].get(id);
        assert(got !== undefined, `step ${i}: id ${id} is not among the best any more`);
        most = Math.max(most, Math.abs(got - logprob));
      }
    });
    assert(most > 1e-5 && most < 0.3, `largest difference ${most}`);
  });
}
