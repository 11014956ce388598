/** What a path holds: a GGUF file, or the folder of a published checkpoint, as it was trained or 4-bit by GPTQ or AWQ. */
import { realDisk } from "./disk.ts";
import { becomesInt4, type Rule } from "./keep_rule.ts";
import type { WeightSource } from "./source.ts";
import { addBase } from "./source_delta.ts";
import { openGgufSource } from "./source_gguf.ts";
import { openPackedSource, packedConfig } from "./source_packed.ts";
import { isWeightFile } from "./shard_index.ts";
import { openPublishedSource } from "./source_published.ts";

/**
 * @param rule what a matrix becomes; codes of 4 bits that the source has stay as they are
 * @param base checkpoint that `path` is the difference to
 * @throws Error naming what is missing, damaged or not supported
 */
export function openSource(path: string, rule: Rule = becomesInt4, base?: string): WeightSource {
  if (base !== undefined) return openDelta(path, rule, base);
  if (isFile(path)) {
    if (path.toLowerCase().endsWith(".gguf")) return openGgufSource(path, rule);
    throw new Error(`Cannot convert ${path}: it is neither a .gguf file nor a folder`);
  }
  const config = configOf(path);
  const packed = packedConfig(path, config);
  return packed === null ? openPublishedSource(path, rule) : openPackedSource(path, config, packed, rule);
}

function openDelta(path: string, rule: Rule, base: string): WeightSource {
  const opened = [openSource(path, rule)];
  try {
    opened.push(openSource(base, () => null));
    return addBase(opened[0], opened[1]);
  } catch (error) {
    opened.forEach((source) => source.close());
    throw error;
  }
}

function configOf(folder: string): Record<string, unknown> {
  let text: string;
  try {
    text = Deno.readTextFileSync(`${folder}/config.json`);
  } catch {
    return {}; // openPublishedSource says what the folder lacks
  }
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch { /* told below */ }
  throw new Error(`Cannot convert ${folder}: config.json is not a JSON object`);
}

/** Bytes of the files that hold weights; 0 where there are none. */
export function weightBytes(path: string): number {
  const size = realDisk.size(path);
  if (size !== null) return size;
  return realDisk.list(path).filter((name) => isWeightFile(name, true))
    .reduce((sum, name) => sum + (realDisk.size(`${path}/${name}`) ?? 0), 0);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
