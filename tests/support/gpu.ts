/** Test-side access to the device: one runtime a test, host arrays in, host arrays out. */
import { openGpu } from "../../src/gpu/device.ts";
import { Runtime } from "../../src/gpu/runtime.ts";
import { readTensors } from "../../src/gpu/readback.ts";
import { toHalf } from "../../src/gpu/safetensors.ts";
import type { Tensor } from "../../src/gpu/tensor.ts";
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { random } from "../../tools/random.ts";

export { random };

/** A test that gets a runtime and must leave no uncaptured GPU error behind. */
export function gpuTest(name: string, run: (runtime: Runtime) => Promise<void>): void {
  Deno.test(name, async () => {
    const runtime = new Runtime(await openGpu());
    try {
      await run(runtime);
      await runtime.checkShaders();
      if (runtime.gpu.error) throw new Error(runtime.gpu.error);
    } finally {
      runtime.destroy();
    }
  });
}

/**
 * Sets of kernels that a whole model goes through. SwiftShader takes most of a minute for each case of `workgroups`
 * and `images`: there only the cases told as `every` go through these (single kernels always do, in tests/gpu).
 */
export function modelSets(every: boolean): readonly ("threads" | "workgroups" | "textures" | "images")[] {
  const slow = Deno.env.get("VALLEY_TEST_DRIVER") === "swiftshader" && !every;
  return slow ? ["threads", "textures"] : ["threads", "workgroups", "textures", "images"];
}

/** Values in (−scale, scale). */
export function noise(seed: number, length: number, scale = 1): Float32Array<ArrayBuffer> {
  const next = random(seed);
  return Float32Array.from({ length }, () => (next() * 2 - 1) * scale);
}

/** Uploads [rows, cols] with the padded stride; padding is zero. */
export function upload(runtime: Runtime, data: Float32Array, rows: number, cols: number): Tensor {
  const t = runtime.memory.tensor("test", rows, cols);
  const padded = new Float32Array(rows * t.stride);
  for (let r = 0; r < rows; r++) padded.set(data.subarray(r * cols, (r + 1) * cols), r * t.stride);
  runtime.memory.write(t.buf, 0, padded);
  return t;
}

/** Raw 32-bit words as a one-row tensor. */
export function words(runtime: Runtime, data: Uint32Array | Float32Array): Tensor {
  return {
    buf: runtime.memory.upload("words", data),
    offset: 0,
    rows: 1,
    cols: data.length,
    stride: data.length,
  };
}

export async function download(runtime: Runtime, t: Tensor): Promise<Float32Array> {
  return (await readTensors(runtime, [t]))[0];
}

export type StoredDtype = "F32" | "F16" | "BF16";

/** Rounds to what the dtype holds, so that a reference sees the same weights. */
export function roundTo(dtype: StoredDtype, values: Float32Array): Float32Array<ArrayBuffer> {
  if (dtype === "F32") return Float32Array.from(values);
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  if (dtype === "BF16") return new Float32Array(bits.map((b) => b & 0xffff0000).buffer);
  return Float32Array.from(values, (v) => {
    const h = toHalf(v);
    const sign = h & 0x8000 ? -1 : 1;
    const e = (h >> 10) & 31;
    return e === 0 ? sign * (h & 1023) * 2 ** -24 : sign * (1 + (h & 1023) / 1024) * 2 ** (e - 15);
  });
}

/** A checkpoint in a temporary folder, removed after `use`. */
export async function withCheckpoint<T>(
  tensors: Record<string, { dtype: StoredDtype; shape: number[]; data: Float32Array }>,
  use: (checkpoint: Checkpoint, folder: string) => Promise<T> | T,
): Promise<T> {
  const folder = Deno.makeTempDirSync();
  try {
    const plan: PlannedTensor[] = Object.entries(tensors).map(([name, t]) => ({
      name,
      dtype: t.dtype,
      shape: t.shape,
      bytes: t.data.length * (t.dtype === "F32" ? 4 : 2),
    }));
    const writer = SafetensorsWriter.create(`${folder}/model.safetensors`, plan);
    for (const [name, t] of Object.entries(tensors)) writer.write(name, encode(t.dtype, t.data));
    writer.finish();
    const checkpoint = Checkpoint.open(folder);
    try {
      return await use(checkpoint, folder);
    } finally {
      checkpoint.close();
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function encode(dtype: StoredDtype, data: Float32Array): ArrayBufferView {
  if (dtype === "F32") return Float32Array.from(data);
  const bits = new Uint32Array(Float32Array.from(data).buffer);
  if (dtype === "BF16") return Uint16Array.from(bits, (b) => b >>> 16);
  return Uint16Array.from(data, toHalf);
}
