/** Model cases of Valley3: pictures, videos and sounds, M-RoPE positions. */
import type { MediaFeature } from "../../src/families/family.ts";
import { readValley3Config, type Valley3Config } from "../../src/families/valley3/config.ts";
import { Valley3Model } from "../../src/families/valley3/model.ts";
import type { SafetensorsFile } from "../../src/gpu/safetensors.ts";
import { audioTokens } from "../../src/model/audio_aut.ts";
import { mropePositions } from "../../src/prompt/positions.ts";
import { type GoldenFamily, type Inputs, values } from "./model_case.ts";

export const valley3: GoldenFamily<Valley3Config> = {
  readConfig: readValley3Config,
  readInputs,
  load: (runtime, checkpoint, config, options) => Valley3Model.load(runtime, checkpoint, config, options),
};

function readInputs(file: SafetensorsFile, config: Valley3Config): Inputs {
  const ids = Uint32Array.from(values(file, "input_ids").data);
  const media: MediaFeature[] = [];
  const images: [number, number, number][] = [];
  const videos: { grid: [number, number, number]; secondPerGrid: number }[] = [];
  const audios: number[] = [];
  const visual = (kind: "image" | "video", pixels: string, grids: string, seconds: string | null) => {
    if (!file.tensors.has(pixels)) return;
    const rows = values(file, pixels);
    const width = rows.shape[1];
    const grid = values(file, grids).data;
    const second = seconds && file.tensors.has(seconds) ? values(file, seconds).data : null;
    let at = 0;
    for (let i = 0; i < grid.length / 3; i++) {
      const shape = [...grid.subarray(3 * i, 3 * i + 3)] as [number, number, number];
      const count = shape[0] * shape[1] * shape[2];
      const data = rows.data.slice(at * width, (at + count) * width);
      media.push({ kind, digest: `${kind}${i}`, tokens: count / config.vision.merge ** 2, data, shape });
      at += count;
      if (kind === "image") images.push(shape);
      else videos.push({ grid: shape, secondPerGrid: second ? second[i] : 1 });
    }
  };
  visual("image", "pixel_values", "image_grid_thw", null);
  visual("video", "pixel_values_videos", "video_grid_thw", "video_second_per_grid");
  if (file.tensors.has("input_features")) {
    const mel = values(file, "input_features");
    const mask = values(file, "feature_attention_mask").data;
    const [count, bins, frames] = mel.shape;
    for (let i = 0; i < count; i++) {
      const valid = mask.subarray(i * frames, (i + 1) * frames).reduce((a, b) => a + b, 0);
      const data = new Float32Array(bins * valid);
      for (let b = 0; b < bins; b++) {
        data.set(mel.data.subarray((i * bins + b) * frames, (i * bins + b) * frames + valid), b * valid);
      }
      media.push({
        kind: "audio",
        digest: `audio${i}`,
        tokens: audioTokens(valid),
        data,
        shape: [bins, valid],
      });
      audios.push(audioTokens(valid));
    }
  }
  const t = config.tokens;
  const rope = mropePositions(ids, t, {
    images,
    videos,
    audios,
    mergeSize: config.vision.merge,
    positionIdPerSeconds: config.positionIdPerSeconds,
  });
  const plain = new Float32Array(3 * ids.length).map((_, i) => i % ids.length);
  return {
    ids,
    axes: 3,
    positions: rope?.positions ?? plain,
    ropeDelta: rope?.ropeDelta ?? 0,
    media,
    mediaRows: rowsOfMedia(ids, media, t),
  };
}

/** Pads are filled in prompt order, each kind from its own list; store rows follow the order of `media`. */
function rowsOfMedia(
  ids: Uint32Array,
  media: MediaFeature[],
  t: { image: number; video: number; audio: number },
): Int32Array {
  const next = new Map<number, number[]>();
  let row = 0;
  for (const m of media) {
    const id = t[m.kind];
    const list = next.get(id) ?? [];
    for (let i = 0; i < m.tokens; i++) list.push(row++);
    next.set(id, list);
  }
  return Int32Array.from(ids, (id) => next.get(id)?.shift() ?? -1);
}
