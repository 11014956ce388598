/** Plain text decoders for the registry. */
import { type FamilyLoader, planBlocks } from "../loader.ts";
import { isTextModel, readTextConfig } from "./config.ts";
import { TextModel } from "./model.ts";

export const text: FamilyLoader = {
  family: "text",
  serves: isTextModel,
  async load(runtime, checkpoint, json, options) {
    const config = readTextConfig(json);
    const blocks = planBlocks(runtime, config.trunk, config.maxContext, options);
    return { model: await TextModel.load(runtime, checkpoint, config, { ...options, blocks }), media: [] };
  },
};
