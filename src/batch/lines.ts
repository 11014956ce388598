/** Lines of large files, read in blocks: neither memory nor the thread is held by a long one. */
import type { Turns } from "../common/turns.ts";

/** Bytes of one line: as the server's body limit. */
export const MOST_LINE = 48 << 20;
/** Bytes read at a time. */
const BLOCK = 256 << 10;

export interface Line {
  /** Its bytes, one piece behind the other; good until the next line is asked for. */
  pieces: Uint8Array[];
  /** Of its first byte in the file. */
  offset: number;
  /** Bytes, without the newline. */
  length: number;
  /** false: the file ends without a newline. */
  whole: boolean;
}

/** Lines of a file; others have their turn between the blocks of a long one. */
export async function* linesOf(path: string, turns: Turns): AsyncGenerator<Line> {
  const file = Deno.openSync(path, { read: true });
  try {
    const block = new Uint8Array(BLOCK);
    let rest: Uint8Array[] = [], length = 0, offset = 0;
    for (let n; (n = file.readSync(block)) !== null;) {
      let at = 0;
      for (let newline; (newline = block.subarray(0, n).indexOf(10, at)) >= 0; at = newline + 1) {
        length += newline - at;
        yield { pieces: [...rest, block.subarray(at, newline)], offset, length, whole: true };
        offset += length + 1;
        rest = [];
        length = 0;
      }
      rest.push(block.slice(at, n));
      length += n - at;
      if (length > MOST_LINE) throw new Error(`Cannot read ${path}: a line has over ${MOST_LINE} bytes`);
      await turns.next();
    }
    if (length > 0) yield { pieces: rest, offset, length, whole: false };
  } finally {
    file.close();
  }
}

/** Bytes of one line of a file, read as they are asked for. @throws Error where the file ends before */
export function* readLine(file: Deno.FsFile, offset: number, length: number): Generator<Uint8Array> {
  for (let at = 0; at < length;) {
    const piece = new Uint8Array(Math.min(BLOCK, length - at));
    // Others read elsewhere in the file meanwhile.
    file.seekSync(offset + at, Deno.SeekMode.Start);
    const n = file.readSync(piece);
    if (n === null) throw new Error("Cannot go on: the input file has become shorter");
    yield piece.subarray(0, n);
    at += n;
  }
}

/** A line's text, put together piece by piece; what is no UTF-8 in it is replaced. */
export class LineText {
  #first: Uint8Array | null = null;
  #decoder: TextDecoder | null = null;
  #text = "";

  push(piece: Uint8Array): void {
    if (this.#decoder === null && this.#first === null) this.#first = piece;
    else {
      this.#decoder ??= this.#begun();
      this.#text += this.#decoder.decode(piece, { stream: true });
    }
  }

  #begun(): TextDecoder {
    const decoder = new TextDecoder();
    this.#text = decoder.decode(this.#first!, { stream: true });
    return decoder;
  }

  /** A decoder that goes on costs six times as much: most lines are of one piece. */
  end(): string {
    if (this.#decoder !== null) return this.#text + this.#decoder.decode();
    return this.#first === null ? "" : new TextDecoder().decode(this.#first);
  }
}

export function textOf(pieces: Iterable<Uint8Array>): string {
  const text = new LineText();
  for (const piece of pieces) text.push(piece);
  return text.end();
}
