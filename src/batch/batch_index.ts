/**
 * Which lines a batch file has and which are answered, in SQLite beside the output, so that memory stays small however
 * long the file is. The output and error files are the truth: what they hold is done, whatever the index says.
 */
import { DatabaseSync } from "node:sqlite";
import { Turns } from "../common/turns.ts";
import { parseLine, prefixKey } from "./batch_line.ts";
import { HeavyLineError } from "./heavy_line.ts";
import { type Line, linesOf, textOf } from "./lines.ts";

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
        id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0);
      CREATE INDEX IF NOT EXISTS by_key ON line (done, key, n)`);
  }

  /**
   * Indexes `input`, or goes on with an index of the same file.
   * @throws Error naming the line that is wrong, or whose custom_id is there twice; what `signal` was aborted with
   */
  static async open(input: string, path: string, signal?: AbortSignal): Promise<BatchIndex> {
    const { size, mtime } = statOf(input);
    const job = JSON.stringify([size, mtime?.getTime() ?? 0]);
    const index = new BatchIndex(input, path);
    try {
      const known = index.#db.prepare("SELECT input FROM job").get() as { input: string } | undefined;
      if (known?.input !== job) await index.#build(job, signal);
      return index;
    } catch (error) {
      index.close();
      throw error;
    }
  }

  async #build(job: string, signal: AbortSignal | undefined): Promise<void> {
    this.#db.exec("DELETE FROM line; DELETE FROM job; BEGIN");
    const insert = this.#db.prepare("INSERT INTO line (n, offset, length, id, key) VALUES (?, ?, ?, ?, ?)");
    const turns = new Turns();
    let n = 0;
    for await (const { pieces, offset, length } of linesOf(this.input, turns)) {
      signal?.throwIfAborted();
      n++;
      if (await isBlank(pieces, turns)) continue;
      try {
        const { customId, key } = await entryOf(pieces, turns);
        insert.run(n, offset, length, customId, key);
      } catch (error) {
        const { message } = error as Error;
        const reason = /UNIQUE/.test(message) ? "its custom_id was there before" : message;
        throw new Error(`Cannot use ${this.input}, line ${n}: ${reason}`);
      }
      if (n % STEP === 0) this.#db.exec("COMMIT; BEGIN");
      await turns.next();
    }
    this.#db.prepare("INSERT INTO job (input) VALUES (?)").run(job);
    this.#db.exec("COMMIT");
  }

  /** Marks what an output or error file holds; a last line that was cut off is removed from it. @returns lines marked */
  async markAnswered(path: string): Promise<number> {
    const mark = this.#db.prepare("UPDATE line SET done = 1 WHERE id = ?");
    const turns = new Turns();
    this.#db.exec("BEGIN");
    let end = 0, marked = 0;
    for await (const { pieces, offset, length, whole } of linesOf(path, turns)) {
      if (!whole) break;
      let id: unknown;
      try {
        id = (JSON.parse(textOf(pieces)) as { custom_id?: unknown }).custom_id;
      } catch {
        throw new Error(`Cannot go on with ${path}: its byte ${offset} begins a line that is not JSON`);
      }
      if (typeof id === "string") marked += Number(mark.run(id).changes);
      end = offset + length + 1;
      await turns.next();
    }
    this.#db.exec("COMMIT");
    Deno.truncateSync(path, end);
    return marked;
  }

  /** Before `markAnswered`: nothing is taken as done. */
  async forgetAnswers(): Promise<void> {
    const forget = this.#db.prepare(
      "UPDATE line SET done = 0 WHERE n IN (SELECT n FROM line WHERE done = 1 LIMIT ?)",
    );
    const turns = new Turns();
    while (forget.run(STEP).changes > 0) await turns.next();
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

/** Whether a line is to be passed over. */
async function isBlank(pieces: Line["pieces"], turns: Turns): Promise<boolean> {
  for (const piece of pieces) {
    if (!piece.every((byte) => byte === 32 || byte >= 9 && byte <= 13)) return false;
    await turns.next();
  }
  return true;
}

/** A line that is too heavy has its place too: its answer is an error. */
async function entryOf(pieces: Line["pieces"], turns: Turns): Promise<{ customId: string; key: string }> {
  try {
    const request = await parseLine(pieces, turns);
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
