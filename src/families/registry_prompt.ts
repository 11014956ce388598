/** Which family serves a checkpoint folder: the CPU side, for the main thread. Imports no GPU code. */
import { readCheckpointFiles } from "../prompt/checkpoint_files.ts";
import type { Media } from "../prompt/media.ts";
import type { ModelCard, PromptBuilder } from "./family.ts";
import { readModelFolder } from "./model_folder.ts";
import { isTextModel, readTextConfig } from "./text/config.ts";
import { TEXT_TAGS, TextPrompt } from "./text/prompt.ts";
import { isValley1, readValley1Config } from "./valley1/config.ts";
import { EDGES } from "./valley1/conversation.ts";
import { Valley1Prompt } from "./valley1/prompt.ts";
import { isValley2, readValley2Config } from "./valley2/config.ts";
import { valley2Prompt } from "./valley2/prompt.ts";
import { isValley25, readValley25Config } from "./valley2_5/config.ts";
import { valley25Prompt } from "./valley2_5/prompt.ts";
import { VALLEY25_TAGS } from "./valley2_5/thinking.ts";
import { isValley3, readValley3Config } from "./valley3/config.ts";
import { Valley3Prompt } from "./valley3/prompt.ts";
import { VALLEY3_TAGS } from "./valley3/thinking.ts";

/** A checkpoint's prompt side and what the server must know of it. */
export interface LoadedPrompt {
  prompt: PromptBuilder;
  card: ModelCard;
}

/** A folder without a manifest does not think, unless its family always can. @throws Error naming what does not fit. */
export async function loadPrompt(folder: string, media: Media): Promise<LoadedPrompt> {
  const { config, sampling, reasoning } = readModelFolder(folder);
  if (isValley25(config)) {
    const prompt = valley25Prompt(await readCheckpointFiles(folder), readValley25Config(config), media);
    return {
      prompt,
      card: {
        reasoning: reasoning ?? "optional",
        tags: VALLEY25_TAGS,
        modalities: ["image", "video"],
        sampling,
      },
    };
  }
  if (isValley1(config)) {
    const prompt = new Valley1Prompt(await readCheckpointFiles(folder), readValley1Config(config), media);
    const modalities: ModelCard["modalities"] = ["image", "video"];
    return { prompt, card: { reasoning: "none", tags: null, edges: EDGES, modalities, sampling } };
  }
  if (isValley2(config)) {
    const prompt = valley2Prompt(await readCheckpointFiles(folder), readValley2Config(config), media);
    return { prompt, card: { reasoning: "none", tags: null, modalities: ["image", "video"], sampling } };
  }
  if (isTextModel(config)) {
    const prompt = new TextPrompt(await readCheckpointFiles(folder), readTextConfig(config));
    return { prompt, card: { reasoning: "none", tags: TEXT_TAGS, modalities: [], sampling } };
  }
  if (!isValley3(config)) {
    throw new Error(
      `Cannot load ${folder}: no family serves model_type ${JSON.stringify(config.model_type)}`,
    );
  }
  const thinking = (reasoning ?? "none") !== "none";
  const files = await readCheckpointFiles(folder);
  return {
    prompt: new Valley3Prompt(files, readValley3Config(config), media, { thinking }),
    card: {
      reasoning: reasoning ?? "none",
      tags: VALLEY3_TAGS,
      modalities: ["image", "video", "audio"],
      sampling,
    },
  };
}
