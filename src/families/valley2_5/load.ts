/** Valley2.5 for the registry: config → memory plan → model. */
import { type FamilyLoader, planBlocks, planMediaRows } from "../loader.ts";
import { isValley25, readValley25Config } from "./config.ts";
import { loadValley25 } from "./model.ts";

const GRID = [1, 8, 8];

export const valley2_5: FamilyLoader = {
  family: "valley2_5",
  serves: isValley25,
  async load(runtime, checkpoint, json, options) {
    const config = readValley25Config(json);
    const { text, vision, maxContext } = config;
    const blocks = planBlocks(runtime, text, maxContext, options);
    const mediaRows = planMediaRows(runtime, text, 0, maxContext, options);
    const model = await loadValley25(runtime, checkpoint, config, { ...options, blocks, mediaRows });
    const rows = GRID[1] * GRID[2];
    const width = vision.channels * vision.temporalPatch * vision.patch ** 2;
    return {
      model,
      media: [{
        kind: "image",
        tokens: rows / vision.merge ** 2,
        length: rows * width,
        shape: GRID,
      }],
    };
  },
};
