/** Model cases of Valley (2023): the prompt has its markers; one clip or none. */
import type { MediaFeature } from "../../src/families/family.ts";
import { readValley1Config, type Valley1Config } from "../../src/families/valley1/config.ts";
import { loadValley1 } from "../../src/families/valley1/model.ts";
import { splices } from "../../src/families/valley1/splice.ts";
import type { SafetensorsFile } from "../../src/gpu/safetensors.ts";
import { pixelRows } from "../../src/prompt/pixel_rows.ts";
import { type GoldenFamily, type Inputs, values } from "./model_case.ts";

export const valley1: GoldenFamily<Valley1Config> = {
  readConfig: readValley1Config,
  readInputs,
  load: loadValley1,
};

function readInputs(file: SafetensorsFile, config: Valley1Config): Inputs {
  const ids = Uint32Array.from(values(file, "input_ids").data);
  const mediaRows = new Int32Array(ids.length).fill(-1);
  const media: MediaFeature[] = [];
  if (file.tensors.has("images")) {
    if (config.markers === null) throw new Error("config.json names no added tokens");
    const { data, shape: [, frames, channels, side] } = values(file, "images");
    const { patches } = config.pooling;
    media.push({
      kind: frames === 1 ? "image" : "video",
      digest: "clip",
      tokens: patches + frames,
      data: pixelRows(data, { pictures: frames, channels, side, patch: config.vision.patch }),
      shape: [frames],
    });
    for (const { start, length, offset } of splices(ids, config.markers, { patches, frames })) {
      for (let i = 0; i < length; i++) mediaRows[start + i] = offset + i;
    }
  }
  return { ids, axes: 1, positions: Float32Array.from(ids, (_, i) => i), ropeDelta: 0, media, mediaRows };
}
