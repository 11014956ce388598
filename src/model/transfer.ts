/** Device memory ↔ bytes, in ranges that lie anywhere in buffers and textures: for saving caches and restoring them. */
import { GpuError } from "../gpu/device.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { pad, type Tensor, TEXEL_ROW, type Texels } from "../gpu/tensor.ts";

/** A range of bytes (multiples of 16) of a buffer or of texels seen as one long list. */
export interface DeviceRange {
  of: Tensor | Texels;
  offset: number;
  size: number;
}

/** The pieces of a texel range that lie in one texture row: [x, y, texels]. */
function* rowsOfRange({ offset, size }: DeviceRange): Generator<[x: number, y: number, count: number]> {
  for (let at = offset / 16, end = (offset + size) / 16; at < end;) {
    const x = at % TEXEL_ROW;
    const count = Math.min(end - at, TEXEL_ROW - x);
    yield [x, Math.floor(at / TEXEL_ROW), count];
    at += count;
  }
}

/** Reads ranges one after the other into one byte string; waits for submitted work. @throws GpuError on a lost device. */
export async function readRanges(runtime: Runtime, ranges: DeviceRange[]): Promise<Uint8Array<ArrayBuffer>> {
  const { gpu, memory } = runtime;
  const total = ranges.reduce((sum, r) => sum + r.size, 0);
  const staging = memory.staging("transfer", pad(total, 16));
  const encoder = gpu.device.createCommandEncoder({ label: "transfer" });
  let at = 0;
  for (const range of ranges) {
    if ("view" in range.of) {
      for (const [x, y, count] of rowsOfRange(range)) {
        const from = { texture: range.of.texture, origin: [x, y] as [number, number] };
        encoder.copyTextureToBuffer(from, { buffer: staging.gpu, offset: at }, [count, 1]);
        at += count * 16;
      }
    } else {
      encoder.copyBufferToBuffer(
        range.of.buf.gpu,
        range.of.offset + range.offset,
        staging.gpu,
        at,
        range.size,
      );
      at += range.size;
    }
  }
  gpu.queue.submit([encoder.finish()]);
  try {
    await staging.gpu.mapAsync(GPUMapMode.READ, 0, total);
    if (gpu.lost || gpu.error) throw new GpuError(`Cannot read device memory: ${gpu.lost ?? gpu.error}`);
    return new Uint8Array(staging.gpu.getMappedRange(0, total)).slice();
  } finally {
    memory.free(staging);
  }
}

/** Writes what `readRanges` read; queued before the next submit. @throws Error when the bytes do not fit the ranges. */
export function writeRanges(runtime: Runtime, ranges: DeviceRange[], data: Uint8Array): void {
  const total = ranges.reduce((sum, r) => sum + r.size, 0);
  if (data.byteLength !== total) {
    throw new Error(`Cannot restore ${data.byteLength} bytes: ${total} were expected`);
  }
  const bytes = Uint8Array.from(data);
  const { queue } = runtime.gpu;
  let at = 0;
  for (const range of ranges) {
    if ("view" in range.of) {
      for (const [x, y, count] of rowsOfRange(range)) {
        const part = bytes.subarray(at, at + count * 16);
        queue.writeTexture({ texture: range.of.texture, origin: [x, y] }, part, { bytesPerRow: count * 16 }, [
          count,
          1,
        ]);
        at += count * 16;
      }
    } else {
      queue.writeBuffer(range.of.buf.gpu, range.of.offset + range.offset, bytes, at, range.size);
      at += range.size;
    }
  }
}
