/** How fast the device reads its own memory, by copying: the roof of decoding, which reads every weight once a token. */
import type { Gpu } from "./device.ts";

const BYTES = 64 << 20;

/** GB/s of reading, taken as half of what a copy reads and writes, from the least times of 1 and of 1 + `rounds` copies. */
export async function measureBandwidth({ device, queue }: Gpu, rounds = 4): Promise<number> {
  const make = () =>
    device.createBuffer({ size: BYTES, usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
  const from = make(), to = make();
  try {
    queue.writeBuffer(from, 0, new Uint8Array(BYTES)); // memory that was never written may not be there
    const run = async (count: number): Promise<number> => {
      const encoder = device.createCommandEncoder();
      for (let i = 0; i < count; i++) encoder.copyBufferToBuffer(from, 0, to, 0, BYTES);
      const start = performance.now();
      queue.submit([encoder.finish()]);
      await queue.onSubmittedWorkDone();
      return performance.now() - start;
    };
    await run(1);
    let many = Infinity, one = Infinity;
    for (let i = 0; i < 3; i++) {
      many = Math.min(many, await run(rounds + 1));
      one = Math.min(one, await run(1));
    }
    return 2 * BYTES / 1e6 / Math.max((many - one) / rounds, 1e-3);
  } finally {
    from.destroy();
    to.destroy();
  }
}
