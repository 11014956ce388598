/**
 * The file operations of pull and convert, behind an interface: tests fail or kill them one by one.
 * All are synchronous; errors are Deno's, told by `diskFull` (src/common/disk_full.ts) where the disk has no room.
 */
import { statfsSync } from "node:fs";
import { type DiskFile, openFile, type OpenMode, readFully, writeAll } from "./disk_file.ts";

export interface Disk {
  open(path: string, mode: OpenMode): DiskFile;
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
  open: openFile,
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
