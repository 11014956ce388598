/** Valley (2023) for the registry: config → memory plan → model. */
import { patchesOfSide, patchRowWidth } from "../../model/vision_clip.ts";
import { type FamilyLoader, planBlocks, planMediaRows } from "../loader.ts";
import { isValley1, readValley1Config } from "./config.ts";
import { loadValley1 } from "./model.ts";

const FRAMES = 2;

export const valley1: FamilyLoader = {
  family: "valley1",
  serves: isValley1,
  async load(runtime, checkpoint, json, options) {
    const config = readValley1Config(json);
    const { text, vision, maxContext } = config;
    const blocks = planBlocks(runtime, text, maxContext, options);
    const mediaRows = planMediaRows(runtime, text, 0, maxContext, options);
    const model = await loadValley1(runtime, checkpoint, config, { ...options, blocks, mediaRows });
    const patches = patchesOfSide(vision) ** 2;
    const length = FRAMES * patches * patchRowWidth(vision);
    return {
      model,
      media: [{
        kind: "video",
        tokens: patches + FRAMES,
        length,
        shape: [FRAMES],
      }],
    };
  },
};
