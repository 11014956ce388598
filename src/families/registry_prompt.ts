/** Which family serves a checkpoint folder: the CPU side, for the main thread. Imports no GPU code. */
import { readCheckpointFiles } from "../prompt/checkpoint_files.ts";
import type { Media } from "../prompt/media.ts";
import type { ModelCard, PromptBuilder } from "./family.ts";
import { readModelFolder } from "./model_folder.ts";
import { chosen } from "./prompt_options.ts";
import { isTextModel, readTextConfig } from "./text/config.ts";
import { TEXT_TAGS, TextPrompt } from "./text/prompt.ts";
import { isValley1, readValley1Config } from "./valley1/config.ts";
import { EDGES } from "./valley1/conversation.ts";
import { VALLEY1_CHOICES, Valley1Prompt, type Valley1PromptOptions } from "./valley1/prompt.ts";
import { isValley2, readValley2Config } from "./valley2/config.ts";
import { VALLEY2_CHOICES, valley2Prompt, type Valley2PromptOptions } from "./valley2/prompt.ts";
import { isValley25, readValley25Config } from "./valley2_5/config.ts";
import { VALLEY25_CHOICES, valley25Prompt, type Valley25PromptOptions } from "./valley2_5/prompt.ts";
import { VALLEY25_TAGS } from "./valley2_5/thinking.ts";
import { isValley3, readValley3Config } from "./valley3/config.ts";
import { Valley3Prompt } from "./valley3/prompt.ts";
import { VALLEY3_TAGS } from "./valley3/thinking.ts";

/** A checkpoint's prompt side and what the server must know of it. */
export interface LoadedPrompt {
  prompt: PromptBuilder;
  card: ModelCard;
}

/**
 * A folder without a manifest does not think, unless its family always can.
 * @param given choices of the family's prompt side
 * @throws Error naming what does not fit
 */
export async function loadPrompt(
  folder: string,
  media: Media,
  given: Readonly<Record<string, unknown>> = {},
): Promise<LoadedPrompt> {
  const { config, sampling, reasoning } = readModelFolder(folder);
  if (isValley25(config)) {
    const options = chosen<Valley25PromptOptions>(given, VALLEY25_CHOICES, "Valley2.5");
    const files = await readCheckpointFiles(folder);
    const prompt = valley25Prompt(files, readValley25Config(config), media, options);
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
    const options = chosen<Valley1PromptOptions>(given, VALLEY1_CHOICES, "Valley (2023)");
    const files = await readCheckpointFiles(folder);
    const prompt = new Valley1Prompt(files, readValley1Config(config), media, options);
    const modalities: ModelCard["modalities"] = ["image", "video"];
    return { prompt, card: { reasoning: "none", tags: null, edges: EDGES, modalities, sampling } };
  }
  if (isValley2(config)) {
    const options = chosen<Valley2PromptOptions>(given, VALLEY2_CHOICES, "Valley2");
    const files = await readCheckpointFiles(folder);
    const prompt = valley2Prompt(files, readValley2Config(config), media, options);
    return { prompt, card: { reasoning: "none", tags: null, modalities: ["image", "video"], sampling } };
  }
  chosen(given, {}, "this model");
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
