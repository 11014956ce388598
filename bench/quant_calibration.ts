/** How much each input column of each matrix matters: the mean square of what comes in, on calibration text. */
import type { TextModel } from "../src/families/text/model.ts";
import { loadModel } from "../src/families/registry.ts";
import { readTensors } from "../src/gpu/readback.ts";
import type { Tensor } from "../src/gpu/tensor.ts";
import { Checkpoint } from "../src/model/checkpoint.ts";
import type { Profile } from "../src/gpu/profiles.ts";

/** Tap of text_trunk.ts → the norm that comes next, if one does, and the matrices of that layer that then read it. */
const READERS: Record<string, { norm: string | null; matrices: string[] }> = {
  layer_in: {
    norm: "input_layernorm",
    matrices: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  },
  attended: { norm: null, matrices: ["self_attn.o_proj"] },
  layer_mid: { norm: "post_attention_layernorm", matrices: ["mlp.gate_proj", "mlp.up_proj"] },
  inner: { norm: null, matrices: ["mlp.down_proj"] },
};

/** Mean squares [k] by tensor name. */
export async function activations(
  folder: string,
  windows: Uint32Array[],
  profile: Profile | null,
): Promise<Map<string, Float32Array>> {
  const model = await loadModel(folder, { profile, maxSequences: 1, maxBatchTokens: 512 }) as TextModel;
  const checkpoint = Checkpoint.open(folder);
  const sums = new Map<string, Float64Array>();
  try {
    for (const ids of windows) {
      const tapped: { part: string; layer: string; tensor: Tensor }[] = [];
      const positions = Float32Array.from(ids, (_, i) => i);
      const blocks = Uint32Array.from({ length: Math.ceil(ids.length / model.info.blockSize) }, (_, i) => i);
      const step = { slot: 0, ids, start: 0, positions, mediaRows: null, blocks, sample: null };
      model.step([step], (name, tensor) => {
        const [, part = "", layer = ""] = /^text\.(\w+)\.(\d+)$/.exec(name) ?? [];
        tapped.push({ part, layer, tensor });
      });
      for (const { part, layer, tensor } of tapped) {
        const [values] = Object.hasOwn(READERS, part) ? await readTensors(model.runtime, [tensor]) : [];
        model.runtime.memory.free(tensor.buf);
        if (values === undefined) continue;
        const { norm, matrices } = READERS[part];
        const prefix = `model.layers.${layer}.`;
        if (norm !== null) normalise(values, checkpoint.floats(`${prefix}${norm}.weight`));
        for (const matrix of matrices) add(sums, `${prefix}${matrix}.weight`, values, tensor.cols);
      }
    }
  } finally {
    checkpoint.close();
    model.destroy();
  }
  return new Map([...sums].map(([name, sum]) => [name, Float32Array.from(sum)]));
}

function add(sums: Map<string, Float64Array>, name: string, values: Float32Array, cols: number): void {
  const sum = sums.get(name) ?? new Float64Array(cols);
  for (let i = 0; i < values.length; i++) sum[i % cols] += values[i] * values[i];
  sums.set(name, sum);
}

/** RMSNorm of each row, in place. */
function normalise(values: Float32Array, weight: Float32Array): void {
  const cols = weight.length;
  for (let at = 0; at < values.length; at += cols) {
    let sum = 0;
    for (let i = 0; i < cols; i++) sum += values[at + i] ** 2;
    const scale = 1 / Math.sqrt(sum / cols + 1e-5);
    for (let i = 0; i < cols; i++) values[at + i] *= scale * weight[i];
  }
}
