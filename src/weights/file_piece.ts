/** Bytes that still lie in a file: a Worker reads them where it needs them, instead of getting them from another thread. */
import { type DiskFile, openFile, readFully } from "./disk_file.ts";

export interface FilePiece {
  path: string;
  /** Bytes [at, at + length) of the file. */
  at: number;
  length: number;
  /** `stampOf` when the file's header was read. */
  stamp: string;
}

export type Stored = Uint8Array<ArrayBuffer> | FilePiece;

/** Fills `into` with the bytes from `at` on. */
export type Read = (at: number, into: Uint8Array<ArrayBuffer>) => void;

/** Changes when a file's content does, without reading it: as make and git tell it. */
export function stampOf(path: string): string {
  const { size, mtime, ino } = Deno.statSync(path);
  return `${size} ${mtime?.getTime() ?? 0} ${ino ?? 0}`;
}

/** @throws Error naming the file where it is another than the one whose header was read */
export function withReader<T>(stored: Stored, use: (read: Read) => T): T {
  if (stored instanceof Uint8Array) {
    return use((at, into) => into.set(stored.subarray(at, at + into.length)));
  }
  const { path, at: start, length, stamp } = stored;
  const changed = () => new Error(`Cannot read ${path}: it changed meanwhile; run the same command again`);
  const file: DiskFile = openFile(path, "read");
  try {
    if (stampOf(path) !== stamp) throw changed();
    return use((at, into) => {
      file.seek(start + at);
      if (at + into.length > length || readFully(file, into) < into.length) throw changed();
    });
  } finally {
    file.close();
  }
}

export function bytesOf(stored: Stored): Uint8Array<ArrayBuffer> {
  if (stored instanceof Uint8Array) return stored;
  return withReader(stored, (read) => {
    const bytes = new Uint8Array(stored.length);
    read(0, bytes);
    return bytes;
  });
}
