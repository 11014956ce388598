/** Valley3 for the registry: config → memory plan → model, warmed up. */
import { type FamilyLoader, planBlocks, planMediaRows } from "../loader.ts";
import { isValley3, readValley3Config } from "./config.ts";
import { Valley3Model } from "./model.ts";
import { warmUp } from "./warm_up.ts";

export const valley3: FamilyLoader = {
  family: "valley3",
  serves: isValley3,
  async load(runtime, checkpoint, json, options) {
    const config = readValley3Config(json);
    const blocks = planBlocks(runtime, config.text, config.maxContext, options);
    const taps = config.vision.deepstack.length;
    const mediaRows = planMediaRows(runtime, config.text, taps, config.maxContext, options);
    const model = await Valley3Model.load(runtime, checkpoint, config, { ...options, blocks, mediaRows });
    await warmUp(model);
    return model;
  },
};
