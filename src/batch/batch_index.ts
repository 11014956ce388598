/**
 * Which lines a batch file has and which are answered, in SQLite beside the output, so that memory stays small however
 * long the file is. The output and error files are the truth: what they hold is done, whatever the index says.
 */
import { DatabaseSync } from "node:sqlite";
import { linesOf, parseLine, prefixKey } from "./batch_line.ts";
import { HeavyLineError } from "./heavy_line.ts";

export interface IndexedLine {
  n: number;
  offset: number;
  length: number;
  customId: string;
}

/** Lines a transaction. */
const STEP = 2000;

export class BatchIndex {
  readonly #db: DatabaseSync;

  private constructor(private readonly input: string, path: string) {
    this.#db = new DatabaseSync(path);
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
      CREATE TABLE IF NOT EXISTS job (input TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS line (n INTEGER PRIMARY KEY, offset INTEGER NOT NULL, length INTEGER NOT NULL,
        id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0)`);
  }

  /**
   * Indexes `input`, or goes on with an index of the same file.
   * @throws Error naming the line that is wrong, or whose custom_id is there twice
   */
  static open(input: string, path: string): BatchIndex {
    const { size, mtime } = statOf(input);
    const job = JSON.stringify([size, mtime?.getTime() ?? 0]);
    const index = new BatchIndex(input, path);
    try {
      const known = index.#db.prepare("SELECT input FROM job").get() as { input: string } | undefined;
      if (known?.input !== job) index.#build(job);
      return index;
    } catch (error) {
      index.close();
      throw error;
    }
  }

  #build(job: string): void {
    this.#db.exec("DELETE FROM line; DELETE FROM job; BEGIN");
    const insert = this.#db.prepare("INSERT INTO line (n, offset, length, id, key) VALUES (?, ?, ?, ?, ?)");
    let n = 0;
    for (const { text, offset, length } of linesOf(this.input)) {
      n++;
      if (text.trim() === "") continue;
      try {
        const { customId, key } = entryOf(text);
        insert.run(n, offset, length, customId, key);
      } catch (error) {
        const { message } = error as Error;
        const reason = /UNIQUE/.test(message) ? "its custom_id was there before" : message;
        throw new Error(`Cannot use ${this.input}, line ${n}: ${reason}`);
      }
      if (n % STEP === 0) this.#db.exec("COMMIT; BEGIN");
    }
    this.#db.prepare("INSERT INTO job (input) VALUES (?)").run(job);
    this.#db.exec("CREATE INDEX IF NOT EXISTS by_key ON line (done, key, n); COMMIT");
  }

  /** Marks what an output or error file holds; a last line that was cut off is removed from it. @returns lines marked */
  markAnswered(path: string): number {
    const mark = this.#db.prepare("UPDATE line SET done = 1 WHERE id = ?");
    this.#db.exec("BEGIN");
    let end = 0, marked = 0;
    for (const { text, offset, length, whole } of linesOf(path)) {
      if (!whole) break;
      let id: unknown;
      try {
        id = (JSON.parse(text) as { custom_id?: unknown }).custom_id;
      } catch {
        throw new Error(`Cannot go on with ${path}: its byte ${offset} begins a line that is not JSON`);
      }
      if (typeof id === "string") marked += Number(mark.run(id).changes);
      end = offset + length + 1;
    }
    this.#db.exec("COMMIT");
    Deno.truncateSync(path, end);
    return marked;
  }

  /** Before `markAnswered`: nothing is taken as done. */
  forgetAnswers(): void {
    this.#db.exec("UPDATE line SET done = 0 WHERE done = 1");
  }

  counts(): { lines: number; done: number } {
    const row = this.#db.prepare("SELECT count(*) AS lines, coalesce(sum(done), 0) AS done FROM line").get();
    return row as { lines: number; done: number };
  }

  /** Lines that are not answered, those with the same beginning together, page by page. */
  *open(): Generator<IndexedLine> {
    const page = this.#db.prepare(
      `SELECT n, offset, length, id AS customId, key FROM line
       WHERE done = 0 AND (key, n) > (?, ?) ORDER BY key, n LIMIT 256`,
    );
    for (let key = "", n = -1;;) {
      const rows = page.all(key, n) as unknown as (IndexedLine & { key: string })[];
      if (rows.length === 0) return;
      yield* rows;
      ({ key, n } = rows[rows.length - 1]);
    }
  }

  close(): void {
    this.#db.close();
  }
}

/** A line that is too heavy has its place too: its answer is an error. */
function entryOf(text: string): { customId: string; key: string } {
  try {
    const request = parseLine(text);
    return { customId: request.customId, key: prefixKey(request) };
  } catch (error) {
    if (error instanceof HeavyLineError) return { customId: error.customId, key: "" };
    throw error;
  }
}

function statOf(path: string): Deno.FileInfo {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Error(`Cannot read ${path}: there is no such file`);
    throw error;
  }
}
