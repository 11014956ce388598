/**
 * What a long job has finished, as lines of JSON that survive a kill: the first line says which job it is, each
 * further one what is done. A line cut off at the end is dropped.
 */
import { type Disk, readWhole } from "./disk.ts";
import { type DiskFile, writeAll } from "./disk_file.ts";

const MOST = 256 << 20;

export class Journal<Entry> {
  private constructor(
    private readonly file: DiskFile,
    /** Entries of the earlier runs of the same job. */
    readonly entries: readonly Entry[],
  ) {}

  /**
   * Opens the journal at `path`. One of another job is emptied, after `reset` was called.
   * @param job what makes two jobs the same
   * @throws Error when another process holds it
   */
  static open<Entry>(disk: Disk, path: string, job: string, reset: () => void): Journal<Entry> {
    const file = disk.open(path, "update");
    if (!file.lock()) {
      file.close();
      throw new Error(`Cannot go on with ${path}: another process is at work on it; wait for it or end it`);
    }
    try {
      const lines = wholeLines(readWhole(disk, path, MOST));
      const entries: Entry[] = [];
      if (lines.length > 0 && isJob(lines[0].text, job)) {
        let { end } = lines[0];
        for (const line of lines.slice(1)) {
          const entry = parse(line.text);
          if (entry === undefined) break;
          entries.push(entry as Entry);
          end = line.end;
        }
        file.truncate(end);
        file.seek(end);
      } else {
        reset();
        file.truncate(0);
        file.seek(0);
        writeAll(file, encode({ job }));
      }
      return new Journal(file, entries);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  add(entry: Entry): void {
    writeAll(this.file, encode(entry));
  }

  close(): void {
    this.file.close();
  }
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value) + "\n");

function wholeLines(bytes: Uint8Array | null): { text: string; end: number }[] {
  const lines: { text: string; end: number }[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; bytes !== null && at < bytes.length;) {
    const newline = bytes.indexOf(10, at);
    if (newline < 0) break;
    lines.push({ text: decoder.decode(bytes.subarray(at, newline)), end: newline + 1 });
    at = newline + 1;
  }
  return lines;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isJob(line: string, job: string): boolean {
  const value = parse(line);
  return typeof value === "object" && value !== null && (value as { job?: unknown }).job === job;
}
