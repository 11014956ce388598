/**
 * A model's files from a hub into a folder: ranges in parallel, digests checked while they come, and whatever was
 * finished when it was cut off is kept. ROOT/hub/ORG--NAME/COMMIT holds the files; `pulled.json` is written last.
 */
import { diskFull } from "../common/disk_full.ts";
import { type Disk, needSpace, readWhole, realDisk, writeWhole } from "./disk.ts";
import { HubClient, type HubOptions } from "./hub_client.ts";
import { contentOf, type HubFile, type HubRepo, readRepo } from "./hub_repo.ts";
import { Journal } from "./journal.ts";
import { type ChunkEntry, digestFits, PartFile } from "./part_file.ts";
import { fetchFile, type FetchSpeed } from "./pull_file.ts";

export interface PullOptions {
  hub: HubOptions;
  /** Branch, tag or commit. */
  revision?: string;
  /** Requests at a time. */
  parallel?: number;
  /** Bytes of a range. */
  chunkSize?: number;
  /** Pull again what is there. */
  force?: boolean;
  disk?: Disk;
  signal?: AbortSignal;
  /** Bytes; the first call tells what an earlier run left done. */
  onProgress?: (done: number, total: number, file: string) => void;
}

export interface Pulled {
  id: string;
  commit: string;
  folder: string;
  /** Digest of the files' digests. */
  content: string;
}

interface FileDone {
  file: string;
  done: true;
}

const WORK = ".pulling", DONE = "pulled.json", REFS = "refs.json", MOST = 16 << 20;

/** @throws Error naming the model or file that stands in the way, or the bytes that the disk lacks */
export async function pull(root: string, id: string, options: PullOptions): Promise<Pulled> {
  const { revision = "main", disk = realDisk, signal = new AbortController().signal } = options;
  const client = new HubClient(options.hub);
  const repo = await readRepo(client, id, revision, signal);
  const folder = `${repoFolder(root, id)}/${repo.commit}`;
  if (options.force) disk.remove(`${folder}/${DONE}`);
  const total = repo.files.reduce((sum, { size }) => sum + size, 0);
  if (!isPulled(disk, folder, repo.files)) {
    try {
      await fetchAll(client, repo, folder, total, options, disk, signal);
    } catch (error) {
      if (!diskFull(error)) throw error;
      throw new Error(
        `Cannot pull ${id}: the disk is full; the whole model needs ${total} bytes. Make room and run the same ` +
          `command again: it goes on where it stopped`,
      );
    }
  }
  enterRef(disk, root, id, revision, repo.commit);
  return { id, commit: repo.commit, folder, content: contentOf(repo.files) };
}

/** What was pulled earlier, without asking the hub. @returns null: nothing, or not whole */
export function pulledEarlier(
  root: string,
  id: string,
  revision = "main",
  disk: Disk = realDisk,
): Pulled | null {
  const refs = readJson(disk, `${repoFolder(root, id)}/${REFS}`);
  const commit = /^[0-9a-f]{40}$/.test(revision) ? revision : refs?.[revision];
  if (typeof commit !== "string" || !/^[0-9a-f]{40}$/.test(commit)) return null;
  const folder = `${repoFolder(root, id)}/${commit}`;
  const files = readJson(disk, `${folder}/${DONE}`)?.files as HubFile[] | undefined;
  return Array.isArray(files) && isPulled(disk, folder, files)
    ? { id, commit, folder, content: contentOf(files) }
    : null;
}

export const repoFolder = (root: string, id: string): string => `${root}/hub/${id.replace("/", "--")}`;

async function fetchAll(
  client: HubClient,
  repo: HubRepo,
  folder: string,
  total: number,
  options: PullOptions,
  disk: Disk,
  signal: AbortSignal,
): Promise<void> {
  const { parallel = 8, chunkSize = 16 << 20 } = options;
  const work = `${folder}/${WORK}`;
  disk.mkdir(work);
  const job = JSON.stringify([repo.id, repo.commit, chunkSize, repo.files]);
  const journal = Journal.open<ChunkEntry | FileDone>(disk, `${work}/journal`, job, () => {
    for (const name of disk.list(work)) if (name !== "journal") disk.remove(`${work}/${name}`);
  });
  try {
    const present = repo.files.reduce(
      (sum, { name }) => sum + (disk.size(`${folder}/${name}`) ?? disk.size(`${work}/${name}`) ?? 0),
      0,
    );
    if (total > present) needSpace(disk, work, Math.ceil((total - present) * 1.01), `pull ${repo.id}`);
    let before = 0;
    for (const file of repo.files) {
      const done = () => {
        before += file.size;
        options.onProgress?.(before, total, file.name);
      };
      const entries = journal.entries.filter((entry) => entry.file === file.name);
      const path = `${folder}/${file.name}`;
      const finished = entries.some((entry) => "done" in entry) && disk.size(path) === file.size;
      if (finished || digestFits(disk, path, file)) { // cut off between its rename and its entry
        done();
        continue;
      }
      const chunks = entries.filter((entry): entry is ChunkEntry => "chunk" in entry);
      const part = PartFile.open(disk, `${work}/${file.name}`, file, chunkSize, chunks, (entry) => {
        journal.add(entry);
      });
      const speed: FetchSpeed = {
        parallel,
        signal,
        onBytes: (bytes) => options.onProgress?.(before + bytes, total, file.name),
      };
      try {
        await fetchFile(client, `/${repo.id}/resolve/${repo.commit}/${file.name}`, part, speed);
        part.sync();
      } finally {
        part.close();
      }
      disk.rename(`${work}/${file.name}`, path);
      journal.add({ file: file.name, done: true });
      done();
    }
    const list = { id: repo.id, commit: repo.commit, files: repo.files };
    writeWhole(disk, `${folder}/${DONE}`, new TextEncoder().encode(JSON.stringify(list, null, 1) + "\n"));
  } finally {
    journal.close();
  }
  disk.remove(work);
}

function isPulled(disk: Disk, folder: string, files: readonly HubFile[]): boolean {
  return disk.size(`${folder}/${DONE}`) !== null &&
    files.every(({ name, size }) => disk.size(`${folder}/${name}`) === size);
}

/** Which commit a branch or tag was when it was pulled: for offline use. */
function enterRef(disk: Disk, root: string, id: string, revision: string, commit: string): void {
  const path = `${repoFolder(root, id)}/${REFS}`;
  const refs = readJson(disk, path) ?? {};
  if (refs[revision] === commit) return;
  writeWhole(disk, path, new TextEncoder().encode(JSON.stringify({ ...refs, [revision]: commit }) + "\n"));
}

function readJson(disk: Disk, path: string): Record<string, unknown> | null {
  const bytes = readWhole(disk, path, MOST);
  if (bytes === null) return null;
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? value : null;
  } catch {
    return null;
  }
}
