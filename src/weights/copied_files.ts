/** Files of a published checkpoint that a converted one keeps as they are. */

export const COPIED: readonly string[] = [
  "config.json",
  "generation_config.json",
  "preprocessor_config.json",
  "video_preprocessor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "chat_template.json",
  "LICENSE",
];

/** Bytes that such a file may have. */
export const MOST_COPIED = 256 << 20;
