/** Percent-decoding that takes whatever comes. A leaf that every area may use. */

/** The text decoded; as it stands where that is no UTF-8. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
