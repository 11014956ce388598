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

export class Detokenizer {
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** `bytesOf`: UTF-8 bytes of an id. */
  constructor(bytesOf: (id: number) => Uint8Array) {
    this.#bytesOf = bytesOf;
  }

  /** The text that this id completes; "" while a character is incomplete. Bytes that can't be UTF-8 give U+FFFD. */
  push(id: number): string {
    const bytes = this.#bytesOf(id);
    return bytes.length === 0 ? "" : this.#decoder.decode(bytes, { stream: true });
  }

  /** What was held back: "" or U+FFFD for a character that never became whole. Starts anew. */
  end(): string {
    return this.#decoder.decode();
  }
}
