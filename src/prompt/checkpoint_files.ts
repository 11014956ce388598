/** The text files of a checkpoint folder that the prompt side reads. */

import { type ChatTemplate, jinjaTemplate } from "./template.ts";

type Json = Record<string, unknown>;

export interface CheckpointFiles {
  tokenizer: Json;
  /** {} where the file is missing. */
  tokenizerConfig: Json;
  /** special_tokens_map.json; {} where the file is missing. */
  specialTokens?: Json;
  preprocessor: Json;
  /** null where the file is missing. */
  videoPreprocessor: Json | null;
  /** The checkpoint's own template; null: it has none. */
  template: ChatTemplate | null;
}

/** Reads a folder. Throws an Error naming the file that is missing or malformed. */
export async function readCheckpointFiles(folder: string): Promise<CheckpointFiles> {
  const tokenizer = await readJson(`${folder}/tokenizer.json`);
  if (tokenizer === null) throw new Error(`Cannot load ${folder}: tokenizer.json is missing`);
  const tokenizerConfig = await readJson(`${folder}/tokenizer_config.json`) ?? {};
  const source = await readText(`${folder}/chat_template.jinja`) ??
    templateSource((await readJson(`${folder}/chat_template.json`))?.chat_template) ??
    templateSource(tokenizerConfig.chat_template);
  let template: ChatTemplate | null = null;
  if (source !== null) {
    try {
      template = jinjaTemplate(source, specialNames(tokenizerConfig));
    } catch (error) {
      throw new Error(
        `Cannot load ${folder}: its chat template does not parse (${(error as Error).message})`,
      );
    }
  }
  return {
    tokenizer,
    tokenizerConfig,
    specialTokens: await readJson(`${folder}/special_tokens_map.json`) ?? {},
    preprocessor: await readJson(`${folder}/preprocessor_config.json`) ?? {},
    videoPreprocessor: await readJson(`${folder}/video_preprocessor_config.json`),
    template,
  };
}

/** A template as text, or the "default" one (else the first) of a named list. */
function templateSource(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return null;
  const named = value as { name?: string; template?: string }[];
  return (named.find(({ name }) => name === "default") ?? named[0])?.template ?? null;
}

/** `bos_token` and the like, which templates may print. */
function specialNames(config: Json): Record<string, string> {
  const names: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith("_token")) continue;
    const content = typeof value === "object" ? (value as { content?: unknown } | null)?.content : value;
    if (typeof content === "string") names[key] = content;
  }
  return names;
}

async function readText(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function readJson(path: string): Promise<Json | null> {
  const text = await readText(path);
  if (text === null) return null;
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch { /* told below */ }
  throw new Error(`Cannot read ${path}: it is not a JSON object`);
}
