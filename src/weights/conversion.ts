/** One run of convert: what an earlier run left done is kept, the rest is made, then all is moved into place. */
import { convertTensors, outputBytes, planOf } from "./convert_file.ts";
import { type ConvertOptions, type Job, jobOf } from "./convert_job.ts";
import { type Disk, needSpace, realDisk } from "./disk.ts";
import { Journal } from "./journal.ts";
import { FORMAT, type Manifest, readManifest, writeManifest } from "./manifest.ts";
import { ResumableFile, type TensorDigest, type TensorEntry } from "./resumable_file.ts";
import type { SlabPool } from "./slab_pool.ts";
import type { SourceFile, WeightSource } from "./source.ts";
import { commit, copySmallFiles, finishedEarlier, WORK } from "./target_folder.ts";

/** A finished file. */
interface FileEntry {
  file: string;
  sha256: string;
  header: string;
  size: number;
}
type Entry = TensorEntry | FileEntry;

export class Conversion {
  readonly #disk: Disk;
  readonly #work: string;
  readonly #job: Job;

  /** @param pool is not closed here */
  constructor(
    private readonly source: string,
    private readonly target: string,
    private readonly weights: WeightSource,
    private readonly options: ConvertOptions,
    private readonly pool: SlabPool,
  ) {
    this.#disk = options.disk ?? realDisk;
    this.#work = `${target}/${WORK}`;
    this.#job = jobOf(weights, options, this.#disk);
  }

  async run(): Promise<Manifest> {
    const disk = this.#disk;
    const done = finishedEarlier(disk, this.target, this.#job);
    if (done) return done;
    disk.mkdir(this.#work);
    const { recipe, stamp } = this.#job;
    const journal = Journal.open<Entry>(disk, `${this.#work}/journal`, `${recipe} ${stamp}`, () => {
      for (const name of disk.list(this.#work)) {
        if (name !== "journal") disk.remove(`${this.#work}/${name}`);
      }
    });
    try {
      const manifest = readManifest(this.#work, disk) ?? await this.#build(journal);
      commit(disk, this.target, manifest);
      return manifest;
    } finally {
      journal.close();
    }
  }

  async #build(journal: Journal<Entry>): Promise<Manifest> {
    const { source = "", revision = "", reasoning = "none" } = this.options;
    const manifest: Manifest = {
      format: FORMAT,
      source,
      revision,
      reasoning,
      ...this.#job,
      sizes: {},
      headers: {},
      files: {},
      tensors: {},
      crc32: {},
    };
    const { files } = this.weights;
    const total = files.reduce((sum, f) => sum + f.tensors.reduce((a, t) => a + t.bytes, 0), 0);
    const present = this.#disk.list(this.#work)
      .reduce((sum, name) => sum + (this.#disk.size(`${this.#work}/${name}`) ?? 0), 0);
    const needed = outputBytes(files) - present;
    if (needed > 0) needSpace(this.#disk, this.#work, Math.ceil(needed * 1.01), `convert ${this.source}`);
    let done = 0;
    const onBytes = (bytes: number, tensor: string) => {
      done += bytes;
      this.options.onProgress?.(done, total, tensor);
    };
    for (const file of files) {
      const entry = await this.#file(file, journal, manifest, onBytes);
      manifest.files[file.name] = entry.sha256;
      manifest.headers[file.name] = entry.header;
      manifest.sizes[file.name] = entry.size;
    }
    copySmallFiles(this.weights, this.#disk, this.#work, manifest);
    writeManifest(this.#work, manifest, this.#disk);
    return manifest;
  }

  async #file(
    file: SourceFile,
    journal: Journal<Entry>,
    manifest: Manifest,
    onBytes: (bytes: number, tensor: string) => void,
  ): Promise<FileEntry> {
    const path = `${this.#work}/${file.name}`;
    const earlier = new Map<string, TensorDigest>();
    const enter = (name: string, { sha256, crc32 }: TensorDigest) => {
      manifest.tensors[name] = sha256;
      manifest.crc32[name] = crc32;
    };
    let finished: FileEntry | undefined;
    for (const entry of journal.entries) {
      if (entry.file !== file.name) continue;
      if ("tensor" in entry) earlier.set(entry.tensor, entry);
      else finished = entry;
    }
    if (finished && this.#disk.size(path) === finished.size) {
      for (const [name, digest] of earlier) enter(name, digest);
      for (const t of file.tensors) onBytes(t.bytes, t.name);
      return finished;
    }
    // A tensor counts when its codes and its scales are there.
    for (const t of file.tensors) {
      const plan = planOf(t);
      if (plan.some((p) => !earlier.has(p.name))) plan.forEach((p) => earlier.delete(p.name));
    }
    const plan = file.tensors.flatMap(planOf);
    const out = ResumableFile.open(this.#disk, path, plan, earlier, (tensor, digest) => {
      journal.add({ file: file.name, tensor, ...digest });
    });
    let sha256: string;
    try {
      const { rounding = "nearest", importance = () => null } = this.options;
      await convertTensors(file.tensors, out, { rounding, importance, pool: this.pool, onBytes });
      sha256 = out.finish();
    } catch (error) {
      out.abandon();
      throw error;
    }
    for (const [name, digest] of Object.entries(out.digests)) enter(name, digest);
    const entry = { file: file.name, sha256, header: out.headerDigest, size: this.#disk.size(path)! };
    journal.add(entry);
    return entry;
  }
}
