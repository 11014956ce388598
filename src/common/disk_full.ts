/** Full disks, however they are told: by the system, or by SQLite. A leaf that every area may use. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";

/** Bytes that SQLite needs to write at all: pages of its files, and the memory beside its log. */
const LEAST = 128 << 10;

export class DiskFullError extends Error {
  readonly code = "ENOSPC";

  constructor(readonly path: string, cause: unknown) {
    super(`Cannot write ${path}: the disk is full`, { cause });
    this.name = "DiskFullError";
  }
}

/** Whether an error says that the disk is full (or the user's share of it). */
export function diskFull(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === "ENOSPC" || code === "EDQUOT" ||
    /os error (28|122)\b|database or disk is full/.test(message ?? "");
}

/** What `work` gives. @throws DiskFullError naming `path`, the file that it writes, where there is no room */
export function onDisk<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw named(path, error);
  }
}

/** The same of work that takes its time. */
export async function untilOnDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw named(path, error);
  }
}

function named(path: string, error: unknown): unknown {
  if (error instanceof DiskFullError) return error;
  const { message } = error as Error;
  // SQLite's log and its shared memory fail like a broken disk.
  const full = diskFull(error) || /disk I\/O error/.test(message) && noRoom(path);
  return full ? new DiskFullError(path, error) : error;
}

function noRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < LEAST;
  } catch {
    return false; // it can't be told
  }
}
