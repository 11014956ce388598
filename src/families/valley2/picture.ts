/** What stands in the feature of one Valley2 picture. */
import type { MediaFeature } from "../family.ts";
import { patchesOfSide, patchRowWidth } from "../../model/vision_clip.ts";
import type { Valley2Config } from "./config.ts";
import { siglipTokens } from "./tiling.ts";

/** Sizes of a picture: `MediaFeature.shape` of it is [tiles, width, height, grid rows, grid columns]. */
export interface PictureShape {
  /** Tiles, thumbnail first; 1: not tiled. */
  tiles: number;
  /** Of the original, in pixels. */
  width: number;
  height: number;
  /** Qwen2-VL patches. */
  grid: readonly [rows: number, columns: number];
}

/** Tokens of a picture: SigLIP's after cutting and pooling, then Qwen2-VL's. */
export function pictureTokens(
  { tiles, width, height, grid }: PictureShape,
  config: Pick<Valley2Config, "tiling" | "qwen2vl">,
): [siglip: number, qwen2vl: number] {
  return [
    siglipTokens(width, height, tiles > 1, config.tiling),
    grid[0] * grid[1] / config.qwen2vl.merge ** 2,
  ];
}

/**
 * The two parts of a feature's data: rows of SigLIP patches (padded, tile after tile), then rows of Qwen2-VL patches.
 * @throws Error when shape and length do not fit
 */
export function readPicture(
  { data, shape }: MediaFeature,
  { siglip, qwen2vl }: Valley2Config,
): PictureShape & { pixels: Float32Array; patches: Float32Array } {
  const [tiles, width, height, ...grid] = shape;
  const own = tiles * patchesOfSide(siglip) ** 2 * patchRowWidth(siglip);
  const row = qwen2vl.channels * qwen2vl.temporalPatch * qwen2vl.patch ** 2;
  if (shape.length !== 5 || data.length !== own + grid[0] * grid[1] * row) {
    throw new Error(`Cannot encode a picture of shape [${shape}] from ${data.length} numbers`);
  }
  return {
    tiles,
    width,
    height,
    grid: [grid[0], grid[1]],
    pixels: data.subarray(0, own),
    patches: data.subarray(own),
  };
}
