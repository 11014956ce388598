/**
 * A saved cache on disk: one file, a JSON index first, then the bytes it points into. Written beside its name and
 * moved over it when it is whole; anything that does not fit when it is read makes it as if there were none.
 *
 *   "VALLEYKV" · index length (u32, little end) · SHA-256 of the index · index (JSON) · data
 */

import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";

const MAGIC = "VALLEYKV";
const VERSION = 1;
const DIGEST = 32;
const MOST_INDEX = 256 << 20;

/** One KV block or one medium; `bytes` follow in the order of the index. */
export interface SavedBlock {
  /** Index of the block before it among the blocks, or −1. */
  parent: number;
  salt: string;
  ids: number[];
  positions: number[] | null;
  media: string;
  bytes: number;
  sha256: string;
}

export interface SavedMedium {
  key: string;
  tokens: number;
  bytes: number;
  sha256: string;
}

export interface CacheIndex {
  version: number;
  /** Of the model, its weights' precision, the device and the geometry: bytes fit nothing else. */
  fingerprint: string;
  blocks: SavedBlock[];
  media: SavedMedium[];
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function digest(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** Collects the data first, then writes index and data in one go. */
export class CacheWriter {
  readonly #path: string;
  readonly #dataPath: string;
  readonly #data: Deno.FsFile;
  readonly #index: CacheIndex;

  /** @throws what the file system says. */
  constructor(path: string, fingerprint: string) {
    this.#path = path;
    this.#index = { version: VERSION, fingerprint, blocks: [], media: [] };
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#dataPath = `${path}.data-${crypto.randomUUID()}`;
    this.#data = Deno.openSync(this.#dataPath, { write: true, createNew: true, read: true, mode: 0o600 });
  }

  addBlock(block: Omit<SavedBlock, "bytes" | "sha256">, bytes: Uint8Array): void {
    writeAll(this.#data, bytes);
    this.#index.blocks.push({ ...block, bytes: bytes.length, sha256: sha256(bytes) });
  }

  /** After all blocks. */
  addMedium(medium: Omit<SavedMedium, "bytes" | "sha256">, bytes: Uint8Array): void {
    writeAll(this.#data, bytes);
    this.#index.media.push({ ...medium, bytes: bytes.length, sha256: sha256(bytes) });
  }

  /** Puts the file in its place. */
  finish(): void {
    const temporary = `${this.#path}.new-${crypto.randomUUID()}`;
    try {
      const index = new TextEncoder().encode(JSON.stringify(this.#index));
      using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, index.length, true);
      for (const part of [new TextEncoder().encode(MAGIC), length, digest(index), index]) {
        writeAll(file, part);
      }
      this.#data.seekSync(0, Deno.SeekMode.Start);
      const piece = new Uint8Array(1 << 20);
      for (let n = this.#data.readSync(piece); n !== null; n = this.#data.readSync(piece)) {
        writeAll(file, piece.subarray(0, n));
      }
      file.syncSync();
      Deno.renameSync(temporary, this.#path);
    } catch (error) {
      removeQuietly(temporary);
      throw error;
    } finally {
      this.discard();
    }
  }

  discard(): void {
    try {
      this.#data.close();
    } catch { /* closed already */ }
    removeQuietly(this.#dataPath);
  }
}

/**
 * A saved cache that fits, piece by piece in the order of its index; null: there is none, or it does not fit. What a
 * process that was killed while it saved left beside it is removed.
 */
export function openCache(
  path: string,
  fingerprint: string,
): { index: CacheIndex; read(bytes: number): Uint8Array | null; close(): void } | null {
  removeLeftovers(path);
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true });
  } catch {
    return null;
  }
  const read = (bytes: number): Uint8Array | null => {
    const out = new Uint8Array(bytes);
    for (let at = 0; at < bytes;) {
      const n = file.readSync(out.subarray(at));
      if (n === null) return null;
      at += n;
    }
    return out;
  };
  const index = readIndex(read, file.statSync().size, fingerprint);
  if (index === null) {
    file.close();
    return null;
  }
  return { index, read, close: () => file.close() };
}

function readIndex(
  read: (bytes: number) => Uint8Array | null,
  size: number,
  fingerprint: string,
): CacheIndex | null {
  const head = read(MAGIC.length + 4 + DIGEST);
  if (head === null || new TextDecoder().decode(head.subarray(0, MAGIC.length)) !== MAGIC) return null;
  const length = new DataView(head.buffer).getUint32(MAGIC.length, true);
  if (length > MOST_INDEX || head.length + length > size) return null;
  const text = read(length);
  if (text === null || !digest(text).every((byte, i) => byte === head[MAGIC.length + 4 + i])) return null;
  try {
    const index = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text)) as CacheIndex;
    const parts = [...index.blocks, ...index.media];
    const counts = parts.every(({ bytes }) => Number.isInteger(bytes) && bytes >= 0);
    const total = parts.reduce((sum, { bytes }) => sum + bytes, head.length + length);
    const ordered = index.blocks.every(({ parent }, at) =>
      Number.isInteger(parent) && parent >= -1 && parent < at
    );
    return index.version === VERSION && index.fingerprint === fingerprint && counts && ordered &&
        total === size
      ? index
      : null;
  } catch {
    return null;
  }
}

/** `write` may write less than it is given, without an error. */
function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch { /* it is not there */ }
}

function removeLeftovers(path: string): void {
  const folder = dirname(path), name = basename(path);
  try {
    for (const entry of [...Deno.readDirSync(folder)]) {
      if (entry.name.startsWith(`${name}.data-`) || entry.name.startsWith(`${name}.new-`)) {
        removeQuietly(`${folder}/${entry.name}`);
      }
    }
  } catch { /* there is no folder */ }
}
