/** Reading results back: byte ranges and whole tensors. */
import { GpuError } from "./device.ts";
import { type Buf, byteLength, type OnDevice, type Tensor } from "./tensor.ts";

/**
 * Prepares a read-back of byte ranges: the copies go into `encoder` (or one of its own, submitted at once).
 * The returned function maps, reads and frees. @throws GpuError when the device was lost.
 */
export function readBytes(
  runtime: OnDevice,
  ranges: { buf: Buf; offset: number; size: number }[],
  encoder?: GPUCommandEncoder,
): () => Promise<Uint8Array<ArrayBuffer>[]> {
  const { memory, gpu } = runtime;
  const total = ranges.reduce((sum, r) => sum + r.size, 0);
  const staging = memory.staging("read-back", total);
  const own = encoder ?? gpu.device.createCommandEncoder({ label: "read-back" });
  let at = 0;
  for (const r of ranges) {
    own.copyBufferToBuffer(r.buf.gpu, r.offset, staging.gpu, at, r.size);
    at += r.size;
  }
  if (!encoder) gpu.queue.submit([own.finish()]);
  return async () => {
    try {
      await staging.gpu.mapAsync(GPUMapMode.READ, 0, total);
      if (gpu.lost) throw new GpuError(`Cannot read results: the device is lost (${gpu.lost})`);
      if (gpu.error) throw new GpuError(`Cannot read results: ${gpu.error}`);
      const all = new Uint8Array(staging.gpu.getMappedRange(0, total));
      let from = 0;
      return ranges.map((r) => all.slice(from, from += r.size) as Uint8Array<ArrayBuffer>);
    } finally {
      memory.free(staging);
    }
  };
}

/** Reads whole tensors back, padding dropped: one Float32Array [rows · cols] each. */
export async function readTensors(runtime: OnDevice, tensors: Tensor[]): Promise<Float32Array[]> {
  const ranges = tensors.map((t) => ({ buf: t.buf, offset: t.offset, size: byteLength(t) }));
  const bytes = await readBytes(runtime, ranges)();
  return bytes.map((b, i) => unpad(new Float32Array(b.buffer), tensors[i]));
}

function unpad(values: Float32Array, t: Tensor): Float32Array {
  if (t.stride === t.cols) return values;
  const out = new Float32Array(t.rows * t.cols);
  for (let r = 0; r < t.rows; r++) out.set(values.subarray(r * t.stride, r * t.stride + t.cols), r * t.cols);
  return out;
}
