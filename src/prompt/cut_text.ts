/**
 * Cuts long text where Qwen's pre-tokenizer cuts it anyway, so that the pieces have the ids of the whole: between a
 * letter and a following space, punctuation mark or digit, and after a digit (no alternative of the pattern spans
 * that), where NFC composes nothing.
 */

const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" +
  "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// deno-lint-ignore no-explicit-any
export function isQwenPreTokenizer(tokenizerJson: any): boolean {
  const steps = tokenizerJson?.pre_tokenizer?.pretokenizers;
  const normalizer = tokenizerJson?.normalizer;
  return (normalizer === null || normalizer?.type === "NFC") && Array.isArray(steps) && steps.length === 2 &&
    steps[0]?.type === "Split" && steps[0]?.pattern?.Regex === QWEN_PATTERN &&
    steps[0]?.behavior === "Isolated" &&
    steps[1]?.type === "ByteLevel" && steps[1]?.add_prefix_space === false && steps[1]?.use_regex === false;
}

/** Pieces of about `length` characters; longer where no place to cut comes. */
export function* cutText(text: string, length: number): Generator<string> {
  const place = /\p{L}(?=[ \p{P}\p{N}])|\p{N}(?=[\s\p{P}\p{L}\p{N}])/gu;
  let start = 0;
  while (text.length - start > length) {
    place.lastIndex = start + length;
    const found = place.exec(text);
    if (found === null) break;
    const end = found.index + found[0].length;
    yield text.slice(start, end);
    start = end;
  }
  if (start < text.length) yield text.slice(start);
}
