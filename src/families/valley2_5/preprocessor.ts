/** How Valley2.5 cuts pictures (VALLEY2_5.md "Pictures"). CRITICAL: CLIP's mean and deviation, not 0.5. */
import type { PatchOptions } from "../../prompt/patchify.ts";
import type { PixelLimits } from "../../prompt/smart_resize.ts";

export const VALLEY25_PATCH: PatchOptions = {
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  normalise: "rescaled",
};

/** Of the single-picture demo, and of the demos with several pictures or a video. */
export const ONE_PICTURE: PixelLimits = { minPixels: 4 * 784, maxPixels: 16384 * 784 };
export const MANY_PICTURES: PixelLimits = { minPixels: 4 * 784, maxPixels: 256 * 784 };
