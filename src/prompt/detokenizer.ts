/** Ids to text, one id at a time: a character whose bytes are not all there yet is held back. */

/**
 * Bytes that stand for characters in a byte-level vocabulary (GPT-2's table): printable Latin-1 stands for
 * itself, the other 68 bytes for U+0100 upwards in order.
 */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const table = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return table;
})();

/** Bytes of a byte-level token; a token with a character outside the table is plain text. */
export function byteLevelBytes(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF_CHARACTER.get(token[i]);
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes[i] = byte;
  }
  return bytes;
}

/** Whether a tokenizer.json is LLaMA's: `▁` before the text and for spaces, byte fallback, one leading space stripped. */
// deno-lint-ignore no-explicit-any
export function isSentencePiece({ decoder, normalizer, pre_tokenizer, model }: any): boolean {
  const steps = (list: { type: string }[] | undefined): string => (list ?? []).map(({ type }) => type).join();
  return decoder?.type === "Sequence" && steps(decoder.decoders) === "Replace,ByteFallback,Fuse,Strip" &&
    normalizer?.type === "Sequence" && steps(normalizer.normalizers) === "Prepend,Replace" &&
    pre_tokenizer === null && model?.byte_fallback === true;
}

/** Bytes of a sentencepiece token. */
export function pieceBytes(token: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token);
  return byte ? Uint8Array.of(parseInt(byte[1], 16)) : new TextEncoder().encode(token.replaceAll("▁", " "));
}

export class Detokenizer {
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #stripFirst: boolean;
  #strip: boolean;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /**
   * `bytesOf`: UTF-8 bytes of an id. `stripFirst`: one space at the very beginning is not text.
   */
  constructor(bytesOf: (id: number) => Uint8Array, stripFirst = false) {
    this.#bytesOf = bytesOf;
    this.#stripFirst = stripFirst;
    this.#strip = stripFirst;
  }

  /** The text that this id completes; "" while a character is incomplete. Bytes that can't be UTF-8 give U+FFFD. */
  push(id: number): string {
    const bytes = this.#bytesOf(id);
    if (bytes.length === 0) return "";
    const text = this.#decoder.decode(bytes, { stream: true });
    const strip = this.#strip;
    this.#strip = false;
    return strip && text.startsWith(" ") ? text.slice(1) : text;
  }

  /** What was held back: "" or U+FFFD for a character that never became whole. Starts anew. */
  end(): string {
    this.#strip = this.#stripFirst;
    return this.#decoder.decode();
  }
}
