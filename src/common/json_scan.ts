/**
 * Looks JSON over while it comes in. A body within its limit of bytes may still be made to hold up the thread for
 * many seconds once it is parsed (16 million empty lists take 8 s); what could is refused before that. A leaf that
 * every area may use.
 */

/** A text that is refused before it is parsed. */
export class JsonLimitError extends Error {
  constructor(message: string, readonly code: "json_too_deep" | "json_too_wide" | "json_too_large") {
    super(message);
    this.name = "JsonLimitError";
  }
}

/** What of a text may take long to parse, and how much of it a body may have. */
const MOST_VALUES = 1 << 18, MOST_FIELDS = 1 << 16, MOST_ESCAPES = 1 << 22;
/** Fields of one object: each wrong one costs time before the request is refused. */
const MOST_KEYS = 4096;

const QUOTE = 0x22, BACKSLASH = 0x5c, COLON = 0x3a, COMMA = 0x2c;
const OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d;

/** The message of a JsonLimitError goes behind what was looked over, as in "The body's JSON has more than …". */
export class JsonScan {
  readonly #depth: number;
  /** Fields of each object that is open, by depth. */
  readonly #keys: Uint32Array;
  #open = 0;
  #values = 1;
  #fields = 0;
  #escapes = 0;
  #inString = false;
  /** The next character belongs to the backslash before it. */
  #escaped = false;

  constructor(depth: number) {
    this.#depth = depth;
    this.#keys = new Uint32Array(depth + 1);
  }

  /** The next bytes of the text; they need not be JSON. @throws JsonLimitError */
  push(bytes: Uint8Array): void {
    let i = this.#inString ? this.#string(bytes, 0) : 0;
    for (; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === QUOTE) i = this.#string(bytes, i + 1) - 1;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#enter();
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#open = Math.max(0, this.#open - 1);
      else if (byte === COMMA) this.#values++;
      else if (byte === COLON) this.#field();
    }
    if (this.#values > MOST_VALUES) throw tooLarge(MOST_VALUES, "values");
    if (this.#fields > MOST_FIELDS) throw tooLarge(MOST_FIELDS, "fields");
    if (this.#escapes > MOST_ESCAPES) throw tooLarge(MOST_ESCAPES, "escaped characters");
  }

  /** Goes on in a string from `i`; tells the place behind its end. */
  #string(bytes: Uint8Array, i: number): number {
    let escaped = this.#escaped, escapes = 0;
    for (; i < bytes.length; i++) {
      const byte = bytes[i];
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) {
        escaped = true;
        escapes++;
      } else if (byte === QUOTE) break;
    }
    this.#escaped = escaped;
    this.#escapes += escapes;
    this.#inString = i === bytes.length;
    return i + 1;
  }

  #enter(): void {
    this.#values++;
    if (++this.#open > this.#depth) {
      throw new JsonLimitError(`is nested deeper than ${this.#depth}`, "json_too_deep");
    }
    this.#keys[this.#open] = 0;
  }

  #field(): void {
    this.#fields++;
    if (++this.#keys[this.#open] > MOST_KEYS) {
      throw new JsonLimitError(`has an object of more than ${MOST_KEYS} fields`, "json_too_wide");
    }
  }
}

function tooLarge(most: number, what: string): JsonLimitError {
  return new JsonLimitError(`has more than ${most} ${what}`, "json_too_large");
}
