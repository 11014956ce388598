/**
 * One file on its way from the hub: written into `.part` in chunks that come in any order, each entered in the journal
 * with the sha256 of its bytes when it is whole; the file's own digest is computed behind the gapless front.
 */
import { createHash, type Hash } from "node:crypto";
import type { Disk } from "./disk.ts";
import { blocks, type DiskFile, writeAll } from "./disk_file.ts";
import type { HubFile } from "./hub_repo.ts";

/** A finished chunk of a file. */
export interface ChunkEntry {
  file: string;
  /** Number of the chunk; its first byte lies at chunk · chunkSize. */
  chunk: number;
  sha256: string;
}

export class PartFile {
  readonly chunks: number;
  readonly #digests: (string | null)[];
  #hash: Hash;
  #front = 0;

  private constructor(
    readonly wanted: HubFile,
    readonly chunkSize: number,
    private readonly file: DiskFile,
    private readonly onChunk: (entry: ChunkEntry) => void,
  ) {
    this.chunks = Math.ceil(wanted.size / chunkSize);
    this.#digests = new Array(this.chunks).fill(null);
    this.#hash = startOf(wanted);
  }

  /** @param finished entries of an earlier run */
  static open(
    disk: Disk,
    path: string,
    wanted: HubFile,
    chunkSize: number,
    finished: readonly ChunkEntry[],
    onChunk: (entry: ChunkEntry) => void,
  ): PartFile {
    const file = disk.open(path, "update");
    try {
      const part = new PartFile(wanted, chunkSize, file, onChunk);
      const size = file.size();
      if (size > wanted.size) file.truncate(wanted.size);
      for (const { chunk, sha256 } of finished) {
        if (part.#end(chunk) <= size) part.#digests[chunk] = sha256;
      }
      return part;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Bytes of finished chunks. */
  get done(): number {
    return this.#digests.reduce((sum, d, i) => sum + (d === null ? 0 : this.#end(i) - i * this.chunkSize), 0);
  }

  /** Chunks still to be fetched, in order. */
  missing(): number[] {
    return this.#digests.flatMap((digest, i) => digest === null ? [i] : []);
  }

  range(chunk: number): { from: number; length: number } {
    const from = chunk * this.chunkSize;
    return { from, length: this.#end(chunk) - from };
  }

  #end(chunk: number): number {
    return Math.min(this.wanted.size, (chunk + 1) * this.chunkSize);
  }

  /** A writer for one chunk's bytes in order; `finish` enters it, if all came. */
  writer(chunk: number): { write(bytes: Uint8Array): void; finish(): boolean; got: () => number } {
    const { from, length } = this.range(chunk);
    const hash = createHash("sha256");
    let at = 0;
    return {
      write: (bytes) => {
        if (at + bytes.length > length) throw new Error("Cannot write past a chunk");
        this.file.seek(from + at);
        writeAll(this.file, bytes);
        hash.update(bytes);
        at += bytes.length;
      },
      got: () => at,
      finish: () => {
        if (at !== length) return false;
        const sha256 = hash.digest("hex");
        this.#digests[chunk] = sha256;
        this.onChunk({ file: this.wanted.name, chunk, sha256 });
        return true;
      },
    };
  }

  digestOf(chunk: number): string | null {
    return this.#digests[chunk];
  }

  /** Reads on behind the gapless front. A chunk whose bytes on disk are not those that were written is missing again. */
  advance(): void {
    while (this.#front < this.chunks && this.#digests[this.#front] !== null) {
      const { from, length } = this.range(this.#front);
      const one = createHash("sha256"), whole = this.#hash.copy();
      this.file.seek(from);
      for (const block of blocks(this.file, length)) {
        one.update(block);
        whole.update(block);
      }
      if (one.digest("hex") !== this.#digests[this.#front]) {
        this.#digests[this.#front] = null;
        return;
      }
      this.#hash = whole;
      this.#front++;
    }
  }

  /** After `advance` reached the end: whether the bytes are the hub's. Starts over for another look. */
  matches(): boolean {
    const right = this.#hash.digest("hex") === this.wanted.digest.hex;
    this.#hash = startOf(this.wanted);
    this.#front = 0;
    return right;
  }

  get complete(): boolean {
    return this.#front === this.chunks;
  }

  sync(): void {
    this.file.sync();
  }

  close(): void {
    this.file.close();
  }
}

/** Whether a whole file's bytes are the hub's. */
export function digestFits(disk: Disk, path: string, wanted: HubFile): boolean {
  if (disk.size(path) !== wanted.size) return false;
  const file = disk.open(path, "read");
  try {
    const hash = startOf(wanted);
    for (const block of blocks(file)) hash.update(block);
    return hash.digest("hex") === wanted.digest.hex;
  } finally {
    file.close();
  }
}

/** The digest that the hub gives: sha256 of the bytes, or git's of a blob. */
const startOf = ({ digest, size }: HubFile): Hash =>
  digest.kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
