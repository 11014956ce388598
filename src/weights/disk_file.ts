/** Open files of pull and convert, and reading and writing as a whole what the system does in parts. Workers load it. */

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

/** "read": an existing file; "create": empty, replacing what was there; "update": read and write, made if missing. */
export type OpenMode = "read" | "create" | "update";

export function openFile(path: string, mode: OpenMode): DiskFile {
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
}

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
