/** tokenizer.json of a checkpoint that has only what came before it: tokenizer.model and the tokens added to it. */
import { MOST_COPIED } from "./copied_files.ts";
import { type Disk, readWhole } from "./disk.ts";
import { type AddedToken, tokenizerOfModel } from "./sentencepiece.ts";

const WHOLE = "tokenizer.json", PIECES = "tokenizer.model", ADDED = "added_tokens.json";

/** Files that are read for it and not kept. */
export const TOKENIZER_SOURCES: readonly string[] = [PIECES, ADDED];

/** @returns nothing where tokenizer.json is there or can't be made. @throws Error naming the file that is amiss */
export function madeTokenizer(folder: string, disk: Disk): Record<string, string> {
  if (disk.size(`${folder}/${WHOLE}`) !== null) return {};
  const pieces = readWhole(disk, `${folder}/${PIECES}`, MOST_COPIED);
  if (pieces === null) return {};
  const object = (name: string): Record<string, unknown> => {
    const bytes = readWhole(disk, `${folder}/${name}`, MOST_COPIED);
    if (bytes === null) return {};
    try {
      const value = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    } catch { /* told below */ }
    throw new Error(`Cannot convert ${folder}: ${name} is not a JSON object`);
  };
  try {
    return { [WHOLE]: tokenizerOfModel(pieces, addedTokens(object)) };
  } catch (error) {
    throw new Error(`Cannot make ${WHOLE} of ${folder}/${PIECES}: ${(error as Error).message}`);
  }
}

/** As the tokenizers of transformers wrote them: with their flags in tokenizer_config.json, or by id alone. */
function addedTokens(object: (name: string) => Record<string, unknown>): AddedToken[] {
  const special = new Set(Object.values(object("special_tokens_map.json")).flat().map(contentOf));
  const tokens = new Map<number, AddedToken>();
  const enter = (content: unknown, id: unknown, flag: unknown) => {
    if (typeof content !== "string" || content === "" || !Number.isSafeInteger(id) || (id as number) < 0) {
      throw new Error("a token added to it lacks its id or content");
    }
    tokens.set(id as number, { id: id as number, content, special: flag === true || special.has(content) });
  };
  for (const [content, id] of Object.entries(object(ADDED))) enter(content, id, false);
  const described = (object("tokenizer_config.json").added_tokens_decoder ?? {}) as Record<string, unknown>;
  for (const [id, token] of Object.entries(described)) {
    enter(contentOf(token), Number(id), (token as { special?: unknown } | null)?.special);
  }
  return [...tokens.values()];
}

const contentOf = (token: unknown): unknown =>
  typeof token === "object" && token !== null ? (token as { content?: unknown }).content : token;
