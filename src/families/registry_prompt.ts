/** Which family serves a checkpoint folder: the CPU side, for the main thread. Imports no GPU code. */
import { readCheckpointFiles } from "../prompt/checkpoint_files.ts";
import type { Media } from "../prompt/media.ts";
import type { PromptBuilder } from "./family.ts";
import { readModelFolder } from "./model_folder.ts";
import { isValley25, readValley25Config } from "./valley2_5/config.ts";
import { Valley25Prompt } from "./valley2_5/prompt.ts";
import { isValley3, readValley3Config } from "./valley3/config.ts";
import { Valley3Prompt } from "./valley3/prompt.ts";

/** A checkpoint's prompt side and what the server must know of it. */
export interface LoadedPrompt {
  prompt: PromptBuilder;
  /** Greedy unless the request says otherwise. */
  greedy: boolean;
  /** Takes a reasoning effort. */
  thinking: boolean;
}

/** @throws Error naming the file or key that does not fit. */
export async function loadPrompt(folder: string, media: Media): Promise<LoadedPrompt> {
  const { config, greedy, manifest } = readModelFolder(folder);
  if (isValley25(config)) {
    const files = await readCheckpointFiles(folder);
    return { prompt: new Valley25Prompt(files, readValley25Config(config), media), greedy, thinking: true };
  }
  if (!isValley3(config)) {
    throw new Error(
      `Cannot load ${folder}: no family serves model_type ${JSON.stringify(config.model_type)}`,
    );
  }
  const thinking = manifest?.reasoning === "prompted";
  const files = await readCheckpointFiles(folder);
  return {
    prompt: new Valley3Prompt(files, readValley3Config(config), media, { thinking }),
    greedy,
    thinking,
  };
}
