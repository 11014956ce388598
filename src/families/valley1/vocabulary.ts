/** What Valley (2023) reads of its tokenizer's files. */
import type { CheckpointFiles } from "../../prompt/checkpoint_files.ts";
import type { ExtraToken, Tokenizer } from "../../prompt/tokenizer.ts";
import type { MarkerIds } from "./splice.ts";

const NAMES: Record<keyof MarkerIds, string> = {
  imPatch: "<im_patch>",
  imStart: "<im_start>",
  imEnd: "<im_end>",
  viStart: "<vi_start>",
  viEnd: "<vi_end>",
  viFrame: "<vi_frame>",
};

/** @throws Error naming the added token that the tokenizer lacks. */
export function markersIn(json: Record<string, unknown>): MarkerIds {
  const added = (json.added_tokens ?? []) as { id: number; content: string }[];
  const entries = Object.entries(NAMES).map(([key, content]) => {
    const token = added.find((t) => t.content === content);
    if (token === undefined) throw new Error(`Cannot use tokenizer.json: it has no added token ${content}`);
    return [key, token.id] as const;
  });
  return Object.fromEntries(entries) as unknown as MarkerIds;
}

/** The markers are control tokens, whatever the file's flags say. */
export const controlTokens = (markers: MarkerIds): ExtraToken[] =>
  Object.entries(NAMES).map(([key, content]) => ({ id: markers[key as keyof MarkerIds], content }));

/** The id that begins every prompt. CRITICAL: it may be `</s>`, where the checkpoint's files say so. */
export function bosOf({ specialTokens, tokenizerConfig }: CheckpointFiles, tokenizer: Tokenizer): number {
  const given = specialTokens?.bos_token ?? tokenizerConfig.bos_token ?? "<s>";
  const content = typeof given === "string" ? given : (given as { content?: unknown }).content;
  const id = typeof content === "string" ? tokenizer.tokenId(content) : undefined;
  if (id === undefined) {
    throw new Error(`Cannot use tokenizer.json: it has no token ${JSON.stringify(given)} (bos_token)`);
  }
  return id;
}

/** The tokenizer of 2023: white space on both sides of an added token goes. */
export function stripping(json: Record<string, unknown>): Record<string, unknown> {
  const added = (json.added_tokens ?? []) as Record<string, unknown>[];
  return { ...json, added_tokens: added.map((token) => ({ ...token, lstrip: true, rstrip: true })) };
}
