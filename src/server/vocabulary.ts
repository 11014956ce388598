/** The tokenizer as grammars need it: made once, in slices, as there are many ids. */

import { printable, type Vocabulary } from "../engine/grammar/spec.ts";
import type { ModelInfo, PromptBuilder } from "../families/family.ts";

/** Longest time that others wait meanwhile, ms. */
const SLICE_MS = 5;
const made = new WeakMap<PromptBuilder, Promise<Vocabulary>>();

export function vocabularyOf(prompt: PromptBuilder, info: ModelInfo): Promise<Vocabulary> {
  let vocabulary = made.get(prompt);
  if (vocabulary === undefined) made.set(prompt, vocabulary = make(prompt, info));
  return vocabulary;
}

async function make(prompt: PromptBuilder, { vocabSize, eosIds }: ModelInfo): Promise<Vocabulary> {
  const tokens: string[] = [];
  let since = performance.now();
  for (let id = 0; id < vocabSize; id++) {
    // Control tokens have a text, but no answer's text holds them.
    tokens.push(prompt.decode([id]) === "" ? "" : printable(prompt.tokenBytes(id)));
    if (performance.now() - since < SLICE_MS) continue;
    await new Promise((resolve) => setTimeout(resolve));
    since = performance.now();
  }
  return { tokens, size: vocabSize, stopIds: eosIds };
}
