/** What `bench quant` measures of a contender: KL divergence, perplexity and agreement on held-out text. */
import { loadModel } from "../src/families/registry.ts";
import type { TextModel } from "../src/families/text/model.ts";
import type { Profile } from "../src/gpu/profiles.ts";
import { readTensors } from "../src/gpu/readback.ts";
import type { Tensor } from "../src/gpu/tensor.ts";

export interface Score {
  /** Nats a token, and standard error. */
  kl: number;
  klError: number;
  perplexity: number;
  /** Share of positions at which the likeliest token is the reference's. */
  top1: number;
}

/** Text that is read at one go. */
export interface Window {
  ids: Uint32Array;
  /** The first id that is to be foretold: of a conversation its answer begins there, of running text it is 1. */
  first: number;
}

/** Logits [ids, vocab] of each window. */
export async function logitsOf(
  folder: string,
  windows: readonly Window[],
  profile: Profile | null,
): Promise<Float32Array[]> {
  const most = Math.max(...windows.map(({ ids }) => ids.length));
  const model = await loadModel(folder, {
    profile,
    kvPrecision: "f32",
    kvBytes: 64 << 20,
    mediaBytes: 1 << 20,
    maxSequences: 1,
    maxBatchTokens: most,
  }) as TextModel;
  try {
    const out: Float32Array[] = [];
    for (const { ids } of windows) {
      const normed: Tensor[] = [], others: Tensor[] = [];
      const positions = Float32Array.from(ids, (_, i) => i);
      const blocks = Uint32Array.from({ length: Math.ceil(ids.length / model.info.blockSize) }, (_, i) => i);
      const step = { slot: 0, ids, start: 0, positions, mediaRows: null, blocks, sample: null };
      model.step([step], (name, tensor) => {
        (name === "text.final_norm" ? normed : others).push(tensor);
      });
      const pass = model.runtime.begin("logits");
      const logits = model.trunk.logits(pass, normed[0]);
      pass.submit();
      out.push((await readTensors(model.runtime, [logits]))[0]);
      for (const { buf } of [...normed, ...others]) model.runtime.memory.free(buf);
    }
    return out;
  } finally {
    model.destroy();
  }
}

/** KL(reference ‖ contender) and the contender's perplexity over all positions whose next id is to be foretold. */
export function score(
  given: Float32Array[],
  exact: Float32Array[],
  windows: readonly Window[],
): Score {
  const kls: number[] = [];
  let loss = 0, same = 0;
  windows.forEach(({ ids, first }, w) => {
    const vocab = given[w].length / ids.length;
    for (let i = first - 1; i + 1 < ids.length; i++) {
      const q = given[w].subarray(i * vocab, (i + 1) * vocab),
        p = exact[w].subarray(i * vocab, (i + 1) * vocab);
      const logQ = logSum(q), logP = logSum(p);
      let kl = 0, bestP = 0, bestQ = 0;
      for (let v = 0; v < vocab; v++) {
        const lp = p[v] - logP;
        kl += Math.exp(lp) * (lp - q[v] + logQ);
        if (p[v] > p[bestP]) bestP = v;
        if (q[v] > q[bestQ]) bestQ = v;
      }
      kls.push(kl);
      loss += logQ - q[ids[i + 1]];
      same += bestP === bestQ ? 1 : 0;
    }
  });
  const kl = kls.reduce((a, b) => a + b, 0) / kls.length;
  const variance = kls.reduce((a, b) => a + (b - kl) ** 2, 0) / (kls.length - 1);
  return {
    kl,
    klError: Math.sqrt(variance / kls.length),
    perplexity: Math.exp(loss / kls.length),
    top1: same / kls.length,
  };
}

function logSum(logits: Float32Array): number {
  let most = -Infinity;
  for (const l of logits) if (l > most) most = l;
  let sum = 0;
  for (const l of logits) sum += Math.exp(l - most);
  return most + Math.log(sum);
}
