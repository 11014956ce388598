/** Model cases of Valley2.5: −200 in the ids once for each picture. */
import type { MediaFeature } from "../../src/families/family.ts";
import { readValley25Config, type Valley25Config } from "../../src/families/valley2_5/config.ts";
import { loadValley25 } from "../../src/families/valley2_5/model.ts";
import type { SafetensorsFile } from "../../src/gpu/safetensors.ts";
import { type GoldenFamily, type Inputs, values } from "./model_case.ts";

export const valley2_5: GoldenFamily<Valley25Config> = {
  readConfig: readValley25Config,
  readInputs,
  load: loadValley25,
};

function readInputs(file: SafetensorsFile, config: Valley25Config): Inputs {
  const media: MediaFeature[] = [];
  if (file.tensors.has("pixel_values")) {
    const { data, shape: [, width] } = values(file, "pixel_values");
    const grids = values(file, "image_grid_thw").data;
    let at = 0;
    for (let i = 0; i < grids.length; i += 3) {
      const shape = [...grids.subarray(i, i + 3)];
      const rows = shape[0] * shape[1] * shape[2];
      media.push({
        kind: "image",
        digest: `image${i / 3}`,
        tokens: rows / config.vision.merge ** 2,
        data: data.slice(at * width, (at + rows) * width),
        shape,
      });
      at += rows;
    }
    if (at * width !== data.length) {
      throw new Error(`pixel_values has ${data.length / width} rows, not ${at}`);
    }
  }
  return spliced(values(file, "input_ids").data, media);
}

/** Each −200 becomes its picture's tokens, in order; positions are 0, 1, 2 … over the result. */
export function spliced(given: Float32Array, media: MediaFeature[]): Inputs {
  const ids: number[] = [], rows: number[] = [];
  let next = 0, row = 0;
  for (const id of given) {
    if (id >= 0) {
      ids.push(id), rows.push(-1);
      continue;
    }
    const medium = media[next++];
    if (id !== -200 || medium === undefined) {
      throw new Error(`input_ids has ${id} and ${media.length} pictures`);
    }
    for (let i = 0; i < medium.tokens; i++) ids.push(0), rows.push(row++);
  }
  return {
    ids: Uint32Array.from(ids),
    axes: 1,
    positions: Float32Array.from(ids, (_, i) => i),
    ropeDelta: 0,
    media,
    mediaRows: Int32Array.from(rows),
  };
}
