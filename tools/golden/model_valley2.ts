/** Model cases of Valley2: −200 in the ids once for each picture, which has tiles and Qwen2-VL patches. */
import type { MediaFeature } from "../../src/families/family.ts";
import { readValley2Config, type Valley2Config } from "../../src/families/valley2/config.ts";
import { loadValley2 } from "../../src/families/valley2/model.ts";
import { pictureTokens } from "../../src/families/valley2/picture.ts";
import type { SafetensorsFile } from "../../src/gpu/safetensors.ts";
import { pixelRows } from "../../src/prompt/pixel_rows.ts";
import { type GoldenFamily, type Inputs, values } from "./model_case.ts";
import { spliced } from "./model_valley2_5.ts";

export const valley2: GoldenFamily<Valley2Config> = {
  readConfig: readValley2Config,
  readInputs,
  load: loadValley2,
  /** Of the first tiles only (`kept_tiles`). */
  partial: /^siglip\.|^projector\.(conv|logits)$/,
};

function readInputs(file: SafetensorsFile, config: Valley2Config): Inputs {
  const ids = values(file, "input_ids").data;
  if (!file.tensors.has("images")) return spliced(ids, []);
  const images = values(file, "images");
  const [, channels, side] = images.shape;
  const tiles = values(file, "image_tiles").data;
  const sizes = values(file, "image_sizes").data;
  const grids = values(file, "image_grid_thw").data;
  const { data, shape: [patches, width] } = values(file, "pixel_values");
  const media: MediaFeature[] = [];
  let tile = 0, row = 0;
  const each = channels * side * side;
  for (let i = 0; i < tiles.length; i++) {
    const [t, h, w] = grids.subarray(3 * i, 3 * i + 3);
    if (t !== 1) throw new Error(`image_grid_thw has ${t} frames, not 1`);
    const own = images.data.subarray(tile * each, (tile + tiles[i]) * each);
    const pixels = pixelRows(own, { pictures: tiles[i], channels, side, patch: config.siglip.patch });
    const both = new Float32Array(pixels.length + h * w * width);
    both.set(pixels);
    both.set(data.subarray(row * width, (row + h * w) * width), pixels.length);
    const shape = {
      tiles: tiles[i],
      width: sizes[2 * i],
      height: sizes[2 * i + 1],
      grid: [h, w] as [number, number],
    };
    const [first, second] = pictureTokens(shape, config);
    media.push({
      kind: "image",
      digest: `image${i}`,
      tokens: first + second,
      data: both,
      shape: [shape.tiles, shape.width, shape.height, h, w],
    });
    tile += tiles[i];
    row += h * w;
  }
  if (tile * each !== images.data.length || row !== patches) {
    throw new Error(`images and pixel_values have more than ${tile} tiles and ${row} rows`);
  }
  return spliced(ids, media);
}
