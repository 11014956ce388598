/** The JSON files of a model folder that both sides read. */

export interface ModelFolder {
  config: Record<string, unknown>;
  /** Ids that end an answer: generation_config's, else config's. */
  eosIds: number[];
  /** False: generation_config says to sample by default. */
  greedy: boolean;
  /** manifest.json of a converted model, or null. */
  manifest: Record<string, unknown> | null;
}

function readJson(path: string): Record<string, unknown> | null {
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
  const text = (config.text_config ?? {}) as Record<string, unknown>;
  const eos = generation.eos_token_id ?? config.eos_token_id ?? text.eos_token_id ?? [];
  return {
    config,
    eosIds: (Array.isArray(eos) ? eos : [eos]).filter((id): id is number => Number.isInteger(id)),
    greedy: generation.do_sample !== true,
    manifest: readJson(`${folder}/manifest.json`),
  };
}
