/** What golden cases report. */
import type { ProfileName } from "../../src/gpu/profiles.ts";

export interface CaseResult {
  name: string;
  /** Figures, one a line. */
  lines: string[];
  failures: string[];
}

export interface GoldenOptions {
  dtype: "f32" | "f16";
  /** Forces a set of kernels; absent: as measured on the device. */
  profile?: ProfileName;
}

/** Squared error over squared norm. */
export function nmse(got: Float32Array, want: Float32Array): number {
  let error = 0;
  let square = 0;
  for (let i = 0; i < want.length; i++) {
    error += (got[i] - want[i]) ** 2;
    square += want[i] ** 2;
  }
  return square === 0 ? (error === 0 ? 0 : Infinity) : error / square;
}
