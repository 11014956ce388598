/** `bench square`: int4 products of a square matrix with 1 and with 64 rows, to set beside another engine's. */
import type { Runtime } from "../src/gpu/runtime.ts";
import { linear } from "../src/model/linear.ts";
import { syntheticLayer } from "./kernels.ts";
import { millisecondsOf, printTable } from "./timing.ts";

export const SQUARE = 4096;
export const SQUARE_ROWS = [1, 64];

export interface SquareResult {
  size: number;
  /** Milliseconds by rows. */
  ms: Record<string, number>;
}

export async function benchSquare(runtime: Runtime): Promise<SquareResult> {
  const layer = syntheticLayer(runtime, SQUARE, SQUARE);
  const ms: Record<string, number> = {};
  for (const rows of SQUARE_ROWS) {
    const x = runtime.memory.tensor("bench x", rows, SQUARE);
    const out = runtime.memory.tensor("bench out", rows, SQUARE);
    ms[rows] = await millisecondsOf(runtime, (p) => linear(p, layer, x, out), { repeats: 4 });
  }
  printTable([["rows", "ms"], ...Object.entries(ms)]);
  return { size: SQUARE, ms };
}
