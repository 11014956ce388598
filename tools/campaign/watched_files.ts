/**
 * Counts what a thread does to the files below a path, and ends the process with SIGKILL at the n-th operation; a write
 * then gets half of its bytes to disk. Knows the calls that src/weights and src/engine make, not all of Deno's. Begins
 * when imported with VARIABLE set.
 */

export interface FileKill {
  /** Operations on paths that begin with this count. */
  under: string;
  /** Number of the operation that ends the process, from 0; null: none does. */
  at: number | null;
  /** Where a Progress is kept as JSON. */
  report: string;
}

export interface Progress {
  operations: number;
  /** Written so far. */
  bytes: number;
}

export const VARIABLE = "VALLEY_CAMPAIGN_KILL";

const given = Deno.env.get(VARIABLE);
if (given !== undefined) watchFiles(JSON.parse(given));

function watchFiles({ under, at, report }: FileKill): void {
  const { openSync, renameSync, removeSync, mkdirSync, writeTextFileSync } = Deno;
  const { writeSync, truncateSync, syncSync } = Deno.FsFile.prototype;
  const progress: Progress = { operations: 0, bytes: 0 };
  const watched = new WeakSet<Deno.FsFile>();
  const counts = (path: string | URL) => String(path).startsWith(under);

  function step(half: () => void = () => {}): void {
    if (progress.operations === at) {
      half();
      Deno.kill(Deno.pid, "SIGKILL");
    }
    progress.operations++;
    writeTextFileSync(report, JSON.stringify(progress));
  }

  Deno.openSync = (path, options) => {
    const changes = counts(path) && (options?.write === true || options?.append === true);
    if (changes) step();
    const file = openSync(path, options);
    if (changes) watched.add(file);
    return file;
  };
  Deno.renameSync = (from, to) => {
    if (counts(to)) step();
    renameSync(from, to);
  };
  Deno.removeSync = (path, options) => {
    if (counts(path)) step();
    removeSync(path, options);
  };
  Deno.mkdirSync = (path, options) => {
    if (counts(path)) step();
    mkdirSync(path, options);
  };
  Deno.FsFile.prototype.writeSync = function (bytes) {
    if (watched.has(this)) step(() => writeSync.call(this, bytes.subarray(0, bytes.length >> 1)));
    const wrote = writeSync.call(this, bytes);
    if (watched.has(this)) progress.bytes += wrote;
    return wrote;
  };
  Deno.FsFile.prototype.truncateSync = function (length) {
    if (watched.has(this)) step();
    truncateSync.call(this, length);
  };
  Deno.FsFile.prototype.syncSync = function () {
    if (watched.has(this)) step();
    syncSync.call(this);
  };
}
