/**
 * The file operations of pull and convert, behind an interface: tests fail or kill them one by one.
 * All are synchronous; errors are Deno's, told by `diskFull` where the disk has no room.
 */
import { statfsSync } from "node:fs";

export interface DiskFile {
  /** @returns bytes read, or null at the end */
  read(into: Uint8Array): number | null;
  /** May write fewer bytes than given, without an error. @returns bytes written */
  write(bytes: Uint8Array): number;
  seek(at: number): void;
  truncate(size: number): void;
  sync(): void;
  /** Begins to bring to disk what was written, in the background, so that `sync` has less to wait for. */
  flush(): void;
  size(): number;
  /** False: another process holds it. Ends with `close` or the process. */
  lock(): boolean;
  close(): void;
}

export interface Disk {
  /** "read": an existing file; "create": empty, replacing what was there; "update": read and write, made if missing. */
  open(path: string, mode: "read" | "create" | "update"): DiskFile;
  rename(from: string, to: string): void;
  /** A file or a folder with all it holds; nothing happens if it is not there. */
  remove(path: string): void;
  /** With its parents. */
  mkdir(path: string): void;
  /** Names in a folder, sorted; empty if it is not there. */
  list(folder: string): string[];
  /** Bytes of a file, or null if there is none. */
  size(path: string): number | null;
  /** Free bytes where `folder` lies, or null if it can't be told (the permission `sys=statfs` is missing). */
  free(folder: string): number | null;
}

export const realDisk: Disk = {
  open(path, mode) {
    const file = mode === "read"
      ? Deno.openSync(path, { read: true })
      : Deno.openSync(path, { read: true, write: true, create: true, truncate: mode === "create" });
    let flushing = false;
    return {
      read: (into) => file.readSync(into),
      write: (bytes) => file.writeSync(bytes),
      seek: (at) => void file.seekSync(at, Deno.SeekMode.Start),
      truncate: (size) => file.truncateSync(size),
      sync: () => file.syncSync(),
      flush() {
        if (flushing) return;
        flushing = true;
        syncData(path).finally(() => flushing = false);
      },
      size: () => file.statSync().size,
      lock: () => file.tryLockSync(true),
      close: () => file.close(),
    };
  },
  rename: (from, to) => Deno.renameSync(from, to),
  remove(path) {
    try {
      Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  },
  mkdir: (path) => Deno.mkdirSync(path, { recursive: true }),
  list(folder) {
    try {
      return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  },
  size(path) {
    try {
      const info = Deno.statSync(path);
      return info.isFile ? info.size : null;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  },
  free(folder) {
    try {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    } catch {
      return null;
    }
  },
};

/** With a handle of its own: one that waits in the background is closed to all else. What fails, `sync` will tell. */
async function syncData(path: string): Promise<void> {
  try {
    using file = await Deno.open(path, { write: true });
    await file.syncData();
  } catch { /* see above */ }
}

/** Deno may write short without an error. */
export function writeAll(file: DiskFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const wrote = file.write(bytes.subarray(at));
    if (wrote <= 0) throw new Error("Cannot write: the disk took no byte");
    at += wrote;
  }
}

/** @returns bytes read: fewer than asked for only at the end of the file */
export function readFully(file: DiskFile, into: Uint8Array): number {
  let at = 0;
  while (at < into.length) {
    const n = file.read(into.subarray(at));
    if (n === null) break;
    at += n;
  }
  return at;
}

const BLOCK = 1 << 20;

/** The next `length` bytes in blocks, fewer at the end of the file. Each block is gone when the next is asked for. */
export function* blocks(file: DiskFile, length = Infinity): Generator<Uint8Array> {
  const block = new Uint8Array(Math.min(length, BLOCK));
  for (let left = length; left > 0;) {
    const n = readFully(file, block.subarray(0, Math.min(left, BLOCK)));
    if (n === 0) return;
    yield block.subarray(0, n);
    left -= n;
  }
}

/** A whole file, or null if there is none. @param most refuses more bytes than this */
export function readWhole(disk: Disk, path: string, most: number): Uint8Array<ArrayBuffer> | null {
  const size = disk.size(path);
  if (size === null) return null;
  if (size > most) throw new Error(`Cannot read ${path}: it has ${size} bytes, at most ${most} are sensible`);
  const file = disk.open(path, "read");
  try {
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, readFully(file, bytes));
  } finally {
    file.close();
  }
}

/** The final name appears only when all bytes are on disk. */
export function writeWhole(disk: Disk, path: string, bytes: Uint8Array): void {
  const file = disk.open(`${path}.part`, "create");
  try {
    writeAll(file, bytes);
    file.sync();
  } finally {
    file.close();
  }
  disk.rename(`${path}.part`, path);
}

/** Whether an error says that the disk is full (or the user's share of it). */
export function diskFull(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === "ENOSPC" || code === "EDQUOT" || /os error (28|122)\b/.test(message ?? "");
}

/** @throws Error with the bytes needed where the disk surely lacks them. */
export function needSpace(disk: Disk, folder: string, bytes: number, what: string): void {
  const free = disk.free(folder);
  if (free !== null && free < bytes) {
    throw new Error(
      `Cannot ${what}: ${bytes} bytes are needed in ${folder}, ${free} are free; ` +
        `free ${bytes - free} bytes or name another folder, then run the same command again`,
    );
  }
}
