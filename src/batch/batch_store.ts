/**
 * Files and batches of a server, in SQLite and a folder: they outlive it. Each belongs to the key that made it.
 * Whatever is written fails with DiskFullError where there is no room, and leaves nothing half-written.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { onDisk } from "../common/disk_full.ts";
import { PARTIAL, removeFile, Upload } from "./upload.ts";

export interface StoredFile {
  id: string;
  owner: string;
  filename: string;
  purpose: string;
  bytes: number;
  /** Seconds since 1970. */
  created: number;
}

export type BatchStatus = "validating" | "in_progress" | "completed" | "failed" | "cancelling" | "cancelled";

export interface StoredBatch {
  id: string;
  owner: string;
  input: string;
  endpoint: string;
  metadata: string;
  status: BatchStatus;
  created: number;
  started: number | null;
  finished: number | null;
  output: string | null;
  errors: string | null;
  total: number;
  completed: number;
  failed: number;
  /** What was wrong with the input file. */
  problem: string | null;
}

const now = (): number => Math.floor(Date.now() / 1000);
const newId = (kind: string): string => `${kind}-${crypto.randomUUID().replaceAll("-", "")}`;

export class BatchStore {
  readonly #db: DatabaseSync;
  readonly #path: string;

  /** @param folder is made; one server at a time */
  constructor(readonly folder: string) {
    this.#path = `${folder}/batches.sqlite`;
    this.#db = onDisk(this.#path, () => {
      const files = `${folder}/files`;
      Deno.mkdirSync(files, { recursive: true });
      // Uploads that a kill cut off.
      for (const { name } of Deno.readDirSync(files)) {
        if (name.endsWith(PARTIAL)) removeFile(`${files}/${name}`);
      }
      return opened(this.#path);
    });
  }

  path(fileId: string): string {
    return `${this.folder}/files/${fileId}`;
  }

  /** SQLite undoes a statement that fails. */
  #change(sql: string, ...values: SQLInputValue[]): void {
    onDisk(this.#path, () => this.#db.prepare(sql).run(...values));
  }

  #rows<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return onDisk(this.#path, () => this.#db.prepare(sql).all(...values)) as T[];
  }

  /** To be written and then kept, or disposed of. */
  upload(): Upload {
    const id = newId("file");
    return new Upload(id, this.path(id));
  }

  keep(upload: Upload, owner: string, filename: string, purpose: string): StoredFile {
    const { id, path, bytes } = upload;
    try {
      upload.keep();
      return this.enterFile({ id, owner, filename, purpose, bytes, created: now() });
    } catch (error) {
      removeFile(path);
      throw error;
    }
  }

  enterFile(file: StoredFile): StoredFile {
    const { id, owner, filename, purpose, bytes, created } = file;
    const sql = "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?)";
    this.#change(sql, id, owner, filename, purpose, bytes, created);
    return file;
  }

  file(owner: string, id: string): StoredFile | null {
    return this.#rows<StoredFile>("SELECT * FROM file WHERE id = ? AND owner = ?", id, owner)[0] ?? null;
  }

  files(owner: string): StoredFile[] {
    return this.#rows("SELECT * FROM file WHERE owner = ? ORDER BY created DESC, id LIMIT 10000", owner);
  }

  removeFile({ id, owner }: StoredFile): void {
    // First the content: on a full disk it makes the room that the rest needs.
    for (const end of ["", ".index"]) removeFile(this.path(id) + end);
    this.#change("DELETE FROM file WHERE id = ? AND owner = ?", id, owner);
  }

  addBatch(owner: string, input: string, endpoint: string, metadata: string): StoredBatch {
    const id = newId("batch");
    this.#change(
      "INSERT INTO batch (id, owner, input, endpoint, metadata, status, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...[id, owner, input, endpoint, metadata, "validating", now()],
    );
    return this.batch(owner, id)!;
  }

  batch(owner: string, id: string): StoredBatch | null {
    return this.#rows<StoredBatch>("SELECT * FROM batch WHERE id = ? AND owner = ?", id, owner)[0] ?? null;
  }

  batches(owner: string): StoredBatch[] {
    return this.#rows("SELECT * FROM batch WHERE owner = ? ORDER BY created DESC, id LIMIT 1000", owner);
  }

  /** The oldest that is not over. */
  nextOpen(): StoredBatch | null {
    return this.#rows<StoredBatch>(
      "SELECT * FROM batch WHERE status IN ('validating', 'in_progress', 'cancelling') ORDER BY created, rowid LIMIT 1",
    )[0] ?? null;
  }

  /** All changes or, when the process is killed, none. */
  update(id: string, changes: Partial<StoredBatch>): void {
    const columns = Object.keys(changes).map((column) => `${column} = ?`).join(", ");
    this.#change(`UPDATE batch SET ${columns} WHERE id = ?`, ...Object.values(changes), id);
  }

  close(): void {
    this.#db.close();
  }
}

function opened(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS file (id TEXT PRIMARY KEY, owner TEXT NOT NULL, filename TEXT NOT NULL,
        purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS batch (id TEXT PRIMARY KEY, owner TEXT NOT NULL, input TEXT NOT NULL,
        endpoint TEXT NOT NULL, metadata TEXT NOT NULL, status TEXT NOT NULL, created INTEGER NOT NULL,
        started INTEGER, finished INTEGER, output TEXT, errors TEXT, total INTEGER NOT NULL DEFAULT 0,
        completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, problem TEXT)`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
