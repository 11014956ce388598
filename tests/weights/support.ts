/** Checkpoints for the tests of src/weights: seeded values, one or several files. */
import type { Values } from "../../src/weights/rounding.ts";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { noise } from "../support/gpu.ts";

/** Runs `use` in a temporary folder that goes away afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "valley-weights-" });
  try {
    return await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/**
 * A sharded bf16 checkpoint with vectors, a convolution, a bias, an odd width and an empty tensor.
 * @param seed other values for each, under the same headers
 */
export function writeCheckpoint(folder: string, files = 2, rows = 40, seed = 0): void {
  Deno.mkdirSync(folder, { recursive: true });
  const map: Record<string, string> = {};
  for (let f = 0; f < files; f++) {
    const name = `model-0000${f + 1}-of-0000${files}.safetensors`;
    const shapes: Record<string, number[]> = {
      [`layers.${f}.a.weight`]: [rows, 64],
      [`layers.${f}.a.bias`]: [rows],
      [`layers.${f}.empty`]: [0],
      [`layers.${f}.odd.weight`]: [rows, 50],
      [`layers.${f}.norm.weight`]: [64],
      [`layers.${f}.patch.weight`]: [8, 3, 2, 2],
    };
    const plan: PlannedTensor[] = Object.entries(shapes).map(([tensor, shape]) => {
      map[tensor] = name;
      return { name: tensor, dtype: "BF16", shape, bytes: 2 * shape.reduce((a, b) => a * b, 1) };
    });
    const writer = SafetensorsWriter.create(`${folder}/${name}`, plan);
    plan.forEach((t, i) => writer.write(t.name, bfloat(noise(1000 * seed + 100 * f + i, t.bytes / 2))));
    writer.finish();
  }
  const index = JSON.stringify({ metadata: {}, weight_map: map });
  Deno.writeTextFileSync(`${folder}/model.safetensors.index.json`, index);
  Deno.writeTextFileSync(`${folder}/config.json`, '{"model_type":"test"}');
}

export const bfloat = (values: Float32Array): Uint16Array<ArrayBuffer> =>
  Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16);

/** An array as rounding takes it: bfloat16 words (or halves, if `dtype` says so) or float32. */
export function valuesOf(
  array: Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  dtype: Values["dtype"] = array instanceof Uint16Array ? "BF16" : "F32",
): Values {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return { dtype, read: (at, into) => into.set(bytes.subarray(at, at + into.length)) };
}

/** Every file of a folder as text, for comparison. */
export function contents(folder: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const { name } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    all[name] = Array.from(Deno.readFileSync(`${folder}/${name}`), (b) => String.fromCharCode(b)).join("");
  }
  return all;
}
