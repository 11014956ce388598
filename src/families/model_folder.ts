/** The JSON files of a model folder that both sides read. */

import type { ModelCard } from "./family.ts";

export interface ModelFolder {
  config: Record<string, unknown>;
  /** Ids that end an answer: generation_config's, else config's. */
  eosIds: number[];
  /** What generation_config says of sampling. */
  sampling: ModelCard["sampling"];
  /** What manifest.json says of thinking; null: there is no manifest. */
  reasoning: ModelCard["reasoning"] | null;
}

type Json = Record<string, unknown>;

function readJson(path: string): Json | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch { /* told below */ }
  throw new Error(`Cannot read ${path}: it is not a JSON object`);
}

/** @throws Error naming the file that is missing or malformed. */
export function readModelFolder(folder: string): ModelFolder {
  const config = readJson(`${folder}/config.json`);
  if (!config) throw new Error(`Cannot load ${folder}: config.json is missing`);
  const generation = readJson(`${folder}/generation_config.json`) ?? {};
  const text = (config.text_config ?? {}) as Json;
  const eos = generation.eos_token_id ?? config.eos_token_id ?? text.eos_token_id ?? [];
  return {
    config,
    eosIds: (Array.isArray(eos) ? eos : [eos]).filter((id): id is number => Number.isInteger(id)),
    sampling: samplingOf(generation, `${folder}/generation_config.json`),
    reasoning: reasoningOf(readJson(`${folder}/manifest.json`), folder),
  };
}

/** Fields that the file lacks are off (transformers' own top_k of 50 is not assumed). */
function samplingOf(generation: Json, path: string): ModelCard["sampling"] {
  const number = (key: string, off: number, most: number): number => {
    const value = generation[key] ?? off;
    if (typeof value === "number" && value >= 0 && value <= most) return value;
    throw new Error(`Cannot read ${path}: ${key} is not a number from 0 to ${most}`);
  };
  const repetitionPenalty = number("repetition_penalty", 1, 10);
  return {
    temperature: generation.do_sample === true ? number("temperature", 1, 10) : 0,
    topP: Math.max(number("top_p", 1, 1), 1e-6),
    topK: number("top_k", 0, 2 ** 31),
    minP: number("min_p", 0, 1),
    ...(repetitionPenalty === 1
      ? {}
      : { adjust: { repetitionPenalty, frequencyPenalty: 0, presencePenalty: 0, bias: [] } }),
  };
}

function reasoningOf(manifest: Json | null, folder: string): ModelFolder["reasoning"] {
  const value = manifest?.reasoning ?? null;
  if (value === null || value === "none" || value === "optional" || value === "prompted") return value;
  throw new Error(`Cannot read ${folder}/manifest.json: reasoning is none, optional or prompted`);
}
