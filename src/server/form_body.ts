/** multipart/form-data, taken apart while it comes in: the bytes of files go on at once, so that memory stays small. */
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import { joined } from "../common/joined.ts";
import { piecesOf, unsupportedType } from "./body.ts";
import { type ApiError, invalid } from "./errors.ts";

/** Parts of a form. */
const MOST_PARTS = 100;
/** Bytes of a part's headers and of a field's value: what lies beyond is not looked at. */
const MOST_HEADERS = 16 << 10, MOST_VALUE = 64 << 10;
/** Bytes parsed in one go: if they are nothing but boundaries, that takes milliseconds. */
const SLICE = 16 << 10;

export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
}

export interface FormOptions {
  /** Bytes of the whole body. */
  most: number;
  /** What to do with a larger one. */
  hint: string;
  /** Fields that may be there once only. */
  once: readonly string[];
  /** Where the bytes of a field's file go; null: nowhere. */
  sink(field: string): Sink | null;
}

/**
 * The form's fields; a file is there by its name alone, its bytes are in the sink.
 * Throws ApiError (415, 413, 400), and what a sink throws.
 */
export async function readForm(request: Request, options: FormOptions): Promise<FormData> {
  const reader = new FormReader(formType(request), options);
  for await (const piece of piecesOf(request, options.most, `; ${options.hint}`)) await reader.push(piece);
  return await reader.end();
}

/** The content type of a form, with its boundary. Throws ApiError: 415. */
export function formType(request: Request): string {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) throw unsupportedType("multipart/form-data");
  return type;
}

const malformed = (): ApiError => invalid("The body is not valid multipart/form-data", null, "invalid_form");

class FormReader {
  readonly #parser: BusboyInstance;
  readonly #form = new FormData();
  readonly #over: Promise<void>;
  /** What is to be written, since the last time. */
  #taken = new Map<Sink, Uint8Array[]>();
  /** The first: a handler of the parser's events must not throw. */
  #failure: ApiError | null = null;

  constructor(type: string, private readonly options: FormOptions) {
    const parser = this.#parser = parserOf(type);
    parser.on("field", (name, value) => this.#enter(name, value));
    parser.on("file", (name, content, filename) => {
      const sink = this.#enter(name, new File([], filename)) ? this.options.sink(name) : null;
      content.on("error", () => {}); // the parser's own error tells of it
      content.on("data", (bytes: Uint8Array) => {
        // A copy: the parser keeps what may be a boundary's beginning in a buffer that it uses again.
        if (sink !== null) this.#takenBy(sink).push(new Uint8Array(bytes));
      });
    });
    const tooMany = () => invalid(`The form has more than ${MOST_PARTS} parts`, null, "invalid_form");
    parser.on("partsLimit", () => this.#failure ??= tooMany());
    this.#over = new Promise((resolve) => {
      parser.on("finish", resolve);
      parser.on("error", () => {
        this.#failure ??= malformed();
        resolve();
      });
    });
  }

  /** @returns false: it is not entered */
  #enter(name: string | undefined, value: string | File): boolean {
    if (!name) return false;
    if (this.#form.has(name) && this.options.once.includes(name)) {
      this.#failure ??= invalid(`${name}: It is there twice`, name, "invalid_value");
      return false;
    }
    this.#form.append(name, value as File);
    return true;
  }

  #takenBy(sink: Sink): Uint8Array[] {
    const pieces = this.#taken.get(sink) ?? [];
    this.#taken.set(sink, pieces);
    return pieces;
  }

  async push(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; at += SLICE) {
      const slice = piece.subarray(at, at + SLICE);
      await new Promise<void>((resolve) => this.#parser.write(slice, () => resolve()));
      if (this.#failure !== null) throw this.#failure;
    }
    await this.#write();
  }

  async end(): Promise<FormData> {
    this.#parser.end();
    await this.#over;
    if (this.#failure !== null) throw this.#failure;
    await this.#write();
    return this.#form;
  }

  async #write(): Promise<void> {
    const taken = this.#taken;
    this.#taken = new Map();
    for (const [sink, pieces] of taken) await sink.write(joined(pieces));
  }
}

function parserOf(type: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { "content-type": type },
      limits: { parts: MOST_PARTS, headerSize: MOST_HEADERS, fieldSize: MOST_VALUE },
      preservePath: true,
      isPartAFile: (_name, _type, filename) => !!filename,
    });
  } catch {
    throw malformed(); // no boundary, or one that is none
  }
}
