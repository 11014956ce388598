/**
 * How much each input column of each matrix of the text trunk matters: the mean square of what comes in while the
 * published weights read a text. Rounding with these weights leaves a third of the divergence (bench/SPEED.md).
 */
import type { MediaFeature, SequenceStep, StepHandle } from "../families/family.ts";
import { loadModel } from "../families/registry.ts";
import type { LoadOptions } from "../families/loader.ts";
import type { Tap } from "../gpu/pass.ts";
import { readTensors } from "../gpu/readback.ts";
import type { Runtime } from "../gpu/runtime.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { Checkpoint } from "../model/checkpoint.ts";

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

/** What every family's model offers beside the interface: its device, and taps for golden runs. */
interface Tapped {
  runtime: Runtime;
  step(batch: SequenceStep[], tap?: Tap): StepHandle;
  encodeMedia(feature: MediaFeature, row: number): void;
}

/** Tokens of one window. */
export const WINDOW = 128;

/**
 * @param folder a published checkpoint: its float weights go onto the device
 * @param windows ids, at most WINDOW each
 * @returns mean squares [k] by tensor name
 */
export async function activations(
  folder: string,
  windows: readonly Uint32Array[],
  options: Partial<LoadOptions> = {},
  onWindow: (done: number) => void = () => {},
): Promise<Map<string, Float32Array>> {
  const checkpoint = Checkpoint.open(folder);
  const model = await loadModel(folder, {
    ...options,
    maxSequences: 1,
    maxBatchTokens: WINDOW,
    kvBytes: 256 << 20,
    mediaBytes: 16 << 20,
  });
  const { runtime } = model as unknown as Tapped;
  const sums = new Map<string, Float64Array>();
  let done = 0;
  try {
    for (const ids of windows) {
      const tapped: { name: string; tensor: Tensor }[] = [];
      const { blockSize, positionAxes } = model.info;
      const step = {
        slot: 0,
        ids,
        start: 0,
        positions: Float32Array.from({ length: positionAxes * ids.length }, (_, i) => i % ids.length),
        mediaRows: null,
        blocks: Uint32Array.from({ length: Math.ceil(ids.length / blockSize) }, (_, i) => i),
        sample: null,
      };
      (model as unknown as Tapped).step([step], (name, tensor) => void tapped.push({ name, tensor }));
      for (const { name, tensor } of tapped) {
        const [, part = "", layer = ""] = /^text\.(\w+)\.(\d+)$/.exec(name) ?? [];
        if (Object.hasOwn(READERS, part)) {
          const [values] = await readTensors(runtime, [tensor]);
          add(sums, checkpoint, READERS[part], layer, values, tensor.cols);
        }
        runtime.memory.free(tensor.buf);
      }
      onWindow(++done);
    }
  } finally {
    checkpoint.close();
    model.destroy();
  }
  return new Map([...sums].map(([name, sum]) => [name, Float32Array.from(sum)]));
}

function add(
  sums: Map<string, Float64Array>,
  checkpoint: Checkpoint,
  { norm, matrices }: (typeof READERS)[string],
  layer: string,
  values: Float32Array,
  cols: number,
): void {
  const prefix = prefixOf(checkpoint, layer);
  if (norm !== null) normalise(values, checkpoint.floats(`${prefix}${norm}.weight`));
  for (const matrix of matrices) {
    const name = `${prefix}${matrix}.weight`;
    const sum = sums.get(name) ?? new Float64Array(cols);
    for (let i = 0; i < values.length; i++) sum[i % cols] += values[i] * values[i];
    sums.set(name, sum);
  }
}

/** Where the text trunk's layers stand in the checkpoint. */
function prefixOf(checkpoint: Checkpoint, layer: string): string {
  const found = PREFIXES.find((prefix) => checkpoint.has(`${prefix}${layer}.mlp.down_proj.weight`));
  if (found === undefined) {
    throw new Error(`Cannot calibrate ${checkpoint.folder}: it has no layers under ${PREFIXES.join(", ")}`);
  }
  return `${found}${layer}.`;
}

const PREFIXES = [
  "model.layers.",
  "model.language_model.layers.",
  "language_model.model.layers.",
  "thinker.model.layers.",
];

/** RMSNorm of each row, in place. */
function normalise(values: Float32Array, weight: Float32Array): void {
  const cols = weight.length;
  for (let at = 0; at < values.length; at += cols) {
    let sum = 0;
    for (let i = 0; i < cols; i++) sum += values[at + i] ** 2;
    const scale = 1 / Math.sqrt(sum / cols + 1e-6);
    for (let i = 0; i < cols; i++) values[at + i] *= scale * weight[i];
  }
}
