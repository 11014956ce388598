/** Valley3 for the registry: config → memory plan → model. */
import { audioTokens } from "../../model/audio_aut.ts";
import { type FamilyLoader, planBlocks, planMediaRows } from "../loader.ts";
import { isValley3, readValley3Config } from "./config.ts";
import type { MadeUp } from "../warm_up.ts";
import { Valley3Model } from "./model.ts";

/** Of two sounds: two chunks, the padded one too; one chunk, whose few rows take smaller tiles. */
const FRAMES = [120, 100];
const GRID = [1, 8, 8];

export const valley3: FamilyLoader = {
  family: "valley3",
  serves: isValley3,
  async load(runtime, checkpoint, json, options) {
    const config = readValley3Config(json);
    const blocks = planBlocks(runtime, config.text, config.maxContext, options);
    const taps = config.vision.deepstack.length;
    const mediaRows = planMediaRows(runtime, config.text, taps, config.maxContext, options);
    const model = await Valley3Model.load(runtime, checkpoint, config, { ...options, blocks, mediaRows });
    const { vision, audio, merge } = model.shapes;
    const rows = GRID[0] * GRID[1] * GRID[2];
    const media: MadeUp[] = [
      { kind: "image", tokens: rows / merge ** 2, length: rows * vision, shape: GRID },
      ...FRAMES.map((n): MadeUp => (
        { kind: "audio", tokens: audioTokens(n), length: audio * n, shape: [audio, n] }
      )),
    ];
    return { model, media };
  },
};
