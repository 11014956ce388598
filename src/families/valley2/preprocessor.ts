/** How Valley2 cuts pictures (VALLEY2.md "Preprocessing"); the Qwen2-VL tower's are in `qwen2vl.ts`. */
import { FIRST_LIMITS } from "../../prompt/navit_resize.ts";
import type { Normalisation } from "../../prompt/patchify.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";

/** CRITICAL: 0.5 for SigLIP, CLIP's figures for the Qwen2-VL tower. */
export const SIGLIP: Normalisation = {
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  normalise: "rescaled",
};

/** The two official wrappers. */
export type Style = "processor" | "chat";

/** Pixels of the Qwen2-VL tower's picture; SigLIP's tiles have one size. */
export const LIMITS: Record<Style, PixelLimits> = {
  processor: FIRST_LIMITS,
  chat: { minPixels: 4 * 784, maxPixels: 1280 * 784 },
};
