/** Valley2 for the registry: config → memory plan → model. */
import { patchesOfSide, patchRowWidth } from "../../model/vision_clip.ts";
import { type FamilyLoader, planBlocks, planMediaRows } from "../loader.ts";
import { isValley2, readValley2Config } from "./config.ts";
import { loadValley2 } from "./model.ts";
import { pictureTokens } from "./picture.ts";

const GRID = [4, 4] as const;

export const valley2: FamilyLoader = {
  family: "valley2",
  serves: isValley2,
  async load(runtime, checkpoint, json, options) {
    const config = readValley2Config(json);
    const { text, siglip, qwen2vl, maxContext } = config;
    const blocks = planBlocks(runtime, text, maxContext, options);
    const mediaRows = planMediaRows(runtime, text, 0, maxContext, options);
    const model = await loadValley2(runtime, checkpoint, config, { ...options, blocks, mediaRows });
    const shape = { tiles: 1, width: siglip.side, height: siglip.side, grid: GRID };
    const [first, second] = pictureTokens(shape, config);
    const length = patchesOfSide(siglip) ** 2 * patchRowWidth(siglip) +
      GRID[0] * GRID[1] * qwen2vl.channels * qwen2vl.temporalPatch * qwen2vl.patch ** 2;
    return {
      model,
      media: [{
        kind: "image",
        tokens: first + second,
        length,
        shape: [1, shape.width, shape.height, ...GRID],
      }],
    };
  },
};
