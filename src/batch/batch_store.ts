/** Files and batches of a server, in SQLite and a folder: they outlive it. Each belongs to the key that made it. */
import { DatabaseSync } from "node:sqlite";

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

  /** @param folder is made; one server at a time */
  constructor(readonly folder: string) {
    Deno.mkdirSync(`${folder}/files`, { recursive: true });
    this.#db = new DatabaseSync(`${folder}/batches.sqlite`);
    this.#db.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS file (id TEXT PRIMARY KEY, owner TEXT NOT NULL, filename TEXT NOT NULL,
        purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS batch (id TEXT PRIMARY KEY, owner TEXT NOT NULL, input TEXT NOT NULL,
        endpoint TEXT NOT NULL, metadata TEXT NOT NULL, status TEXT NOT NULL, created INTEGER NOT NULL,
        started INTEGER, finished INTEGER, output TEXT, errors TEXT, total INTEGER NOT NULL DEFAULT 0,
        completed INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, problem TEXT)`);
  }

  path(fileId: string): string {
    return `${this.folder}/files/${fileId}`;
  }

  addFile(owner: string, filename: string, purpose: string, content: Uint8Array): StoredFile {
    const id = newId("file");
    Deno.writeFileSync(this.path(id), content);
    return this.enterFile({ id, owner, filename, purpose, bytes: content.length, created: now() });
  }

  enterFile(file: StoredFile): StoredFile {
    this.#db.prepare("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?)")
      .run(file.id, file.owner, file.filename, file.purpose, file.bytes, file.created);
    return file;
  }

  file(owner: string, id: string): StoredFile | null {
    const row = this.#db.prepare("SELECT * FROM file WHERE id = ? AND owner = ?").get(id, owner);
    return row === undefined ? null : row as unknown as StoredFile;
  }

  files(owner: string): StoredFile[] {
    return this.#db.prepare("SELECT * FROM file WHERE owner = ? ORDER BY created DESC, id LIMIT 10000")
      .all(owner) as unknown as StoredFile[];
  }

  removeFile({ id, owner }: StoredFile): void {
    this.#db.prepare("DELETE FROM file WHERE id = ? AND owner = ?").run(id, owner);
    for (const end of ["", ".index"]) {
      try {
        Deno.removeSync(this.path(id) + end);
      } catch { /* it was not there */ }
    }
  }

  addBatch(owner: string, input: string, endpoint: string, metadata: string): StoredBatch {
    const id = newId("batch");
    this.#db.prepare(
      "INSERT INTO batch (id, owner, input, endpoint, metadata, status, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ).run(id, owner, input, endpoint, metadata, "validating", now());
    return this.batch(owner, id)!;
  }

  batch(owner: string, id: string): StoredBatch | null {
    const row = this.#db.prepare("SELECT * FROM batch WHERE id = ? AND owner = ?").get(id, owner);
    return row === undefined ? null : row as unknown as StoredBatch;
  }

  batches(owner: string): StoredBatch[] {
    return this.#db.prepare("SELECT * FROM batch WHERE owner = ? ORDER BY created DESC, id LIMIT 1000")
      .all(owner) as unknown as StoredBatch[];
  }

  /** The oldest that is not over. */
  nextOpen(): StoredBatch | null {
    const row = this.#db.prepare(
      "SELECT * FROM batch WHERE status IN ('validating', 'in_progress', 'cancelling') ORDER BY created, rowid LIMIT 1",
    ).get();
    return row === undefined ? null : row as unknown as StoredBatch;
  }

  /** All changes or, when the process is killed, none. */
  update(id: string, changes: Partial<StoredBatch>): void {
    const columns = Object.keys(changes).map((column) => `${column} = ?`).join(", ");
    this.#db.prepare(`UPDATE batch SET ${columns} WHERE id = ?`).run(...Object.values(changes), id);
  }

  close(): void {
    this.#db.close();
  }
}
