/**
 * A published checkpoint → a folder that is served: int4 where it does no harm, the rest as it was; configuration and
 * tokenizer files copied; manifest with the digest of every file and tensor.
 *
 * All is written in TARGET/.converting and renamed into TARGET at the very end, the manifest last: whenever it is cut
 * off, TARGET holds the old model, or none, or the new one. A second run goes on behind the last finished tensor.
 */
import { createHash } from "node:crypto";
import { convertTensors, planOf } from "./convert_file.ts";
import { COPIED, MOST_COPIED } from "./copied_files.ts";
import { type Disk, diskFull, needSpace, readWhole, realDisk, writeWhole } from "./disk.ts";
import { Journal } from "./journal.ts";
import { ruleFor } from "./keep_rule.ts";
import { chooseInt8, INT4_BITS } from "./mixed.ts";
import { FORMAT, type Manifest, readManifest, type Reasoning, writeManifest } from "./manifest.ts";
import { ResumableFile, type TensorDigest, type TensorEntry } from "./resumable_file.ts";
import { safetensorsHeader } from "./safetensors_writer.ts";
import type { Rounding } from "./slab.ts";
import { SlabPool } from "./slab_pool.ts";
import type { SourceFile, WeightSource } from "./source.ts";
import { openSource } from "./open_source.ts";

export interface ConvertOptions {
  /** Where the source came from, for the manifest. */
  source?: string;
  revision?: string;
  /** "prompted": takes the thinking prompt (CONTRACT.md). */
  reasoning?: Reasoning;
  rounding?: Rounding;
  /** Weight of each column's squared error [k] by tensor name, for "search". */
  importance?: (tensor: string) => Float32Array | null;
  /** Tensors that stay as published, beside those that always do. */
  keep?: RegExp;
  /** Bits a weight of the matrices, 5 (all int4) to 9 (all int8): the most sensitive become int8 (mixed.ts). */
  bits?: number;
  /** Digest of the importance, where there is one: part of the recipe. */
  importanceDigest?: string;
  /** Cores that quantise besides this one; 0: only this one. The bytes do not depend on it. */
  workers?: number;
  disk?: Disk;
  /** Bytes of the source; the first call tells what an earlier run left done. */
  onProgress?: (done: number, total: number, tensor: string) => void;
}

/** Changes when the same source would give other bytes. */
const RECIPE = 4;
const WORK = ".converting";
/** Under so many bytes Workers cost more than they bring. */
const SMALL = 32 << 20;

/** A finished file. */
interface FileEntry {
  file: string;
  sha256: string;
  header: string;
  size: number;
}
type Entry = TensorEntry | FileEntry;

/** @throws Error naming the file or tensor that stands in the way, or the bytes that the disk lacks */
export async function convert(
  source: string,
  target: string,
  options: ConvertOptions = {},
): Promise<Manifest> {
  const weights = openSource(source, ruleFor(options.keep ?? null, finer(source, options)));
  try {
    return await new Conversion(source, target, weights, options).run();
  } catch (error) {
    if (!diskFull(error)) throw error;
    const bytes = outputBytes(weights.files);
    throw new Error(
      `Cannot convert into ${target}: the disk is full; the whole model needs ${bytes} bytes. ` +
        `Make room and run the same command again: it goes on where it stopped`,
    );
  } finally {
    weights.close();
  }
}

/** Matrices that `bits` makes int8. */
function finer(source: string, { keep, bits = INT4_BITS }: ConvertOptions): Set<string> {
  if (bits === INT4_BITS) return new Set();
  const weights = openSource(source, ruleFor(keep ?? null, new Set()));
  try {
    const all = weights.files.flatMap((file) => file.tensors);
    if (all.some(({ fixed }) => fixed)) {
      throw new Error(
        `Cannot convert ${source} to ${bits} bits: its weights are codes of 4 or 8 bits already`,
      );
    }
    return chooseInt8(all.filter(({ target }) => target === "int4"), bits);
  } finally {
    weights.close();
  }
}

/** Bytes of all safetensors files that will be written. */
export function outputBytes(files: SourceFile[]): number {
  return files.reduce((sum, file) => {
    const plan = file.tensors.flatMap(planOf);
    return sum + safetensorsHeader(plan).length + plan.reduce((a, t) => a + t.bytes, 0);
  }, 0);
}

class Conversion {
  readonly #disk: Disk;
  readonly #work: string;
  readonly #recipe: string;

  constructor(
    private readonly source: string,
    private readonly target: string,
    private readonly weights: WeightSource,
    private readonly options: ConvertOptions,
  ) {
    this.#disk = options.disk ?? realDisk;
    this.#work = `${target}/${WORK}`;
    const { rounding = "nearest", importanceDigest = "", reasoning = "none", keep, bits } = options;
    this.#recipe = createHash("sha256")
      .update(
        JSON.stringify([
          RECIPE,
          weights.digest,
          rounding,
          importanceDigest,
          reasoning,
          keep?.source ?? "",
          ...bits === undefined || bits === INT4_BITS ? [] : [bits],
        ]),
      )
      .digest("hex");
  }

  async run(): Promise<Manifest> {
    const disk = this.#disk;
    const done = this.#finished();
    if (done) return done;
    disk.mkdir(this.#work);
    const job = `${this.#recipe} ${this.weights.stamp}`;
    const journal = Journal.open<Entry>(disk, `${this.#work}/journal`, job, () => {
      for (const name of disk.list(this.#work)) {
        if (name !== "journal") disk.remove(`${this.#work}/${name}`);
      }
    });
    try {
      const manifest = readManifest(this.#work, disk) ?? await this.#build(journal);
      this.#commit(manifest);
      return manifest;
    } finally {
      journal.close();
    }
  }

  /** The manifest of an earlier run that came to its end, if all its files are still there. */
  #finished(): Manifest | null {
    let manifest: Manifest | null;
    try {
      manifest = readManifest(this.target, this.#disk);
    } catch {
      return null; // it will be replaced
    }
    if (manifest?.recipe !== this.#recipe) return null;
    const whole = Object.entries(manifest.sizes).every(([name, size]) =>
      this.#disk.size(`${this.target}/${name}`) === size
    );
    if (!whole) return null;
    this.#disk.remove(this.#work); // what a kill at the very end left behind
    return manifest;
  }

  async #build(journal: Journal<Entry>): Promise<Manifest> {
    const { source = "", revision = "", reasoning = "none", rounding = "nearest" } = this.options;
    const manifest: Manifest = {
      format: FORMAT,
      source,
      revision,
      reasoning,
      recipe: this.#recipe,
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
    const cores = this.options.workers ?? navigator.hardwareConcurrency;
    const pool = new SlabPool(total < SMALL && this.options.workers === undefined ? 0 : cores);
    let done = 0;
    const onBytes = (bytes: number, tensor: string) => {
      done += bytes;
      this.options.onProgress?.(done, total, tensor);
    };
    try {
      for (const file of files) {
        const entry = await this.#file(file, journal, manifest, pool, rounding, onBytes);
        manifest.files[file.name] = entry.sha256;
        manifest.headers[file.name] = entry.header;
        manifest.sizes[file.name] = entry.size;
      }
    } finally {
      pool.close();
    }
    this.#copy(manifest);
    writeManifest(this.#work, manifest, this.#disk);
    return manifest;
  }

  async #file(
    file: SourceFile,
    journal: Journal<Entry>,
    manifest: Manifest,
    pool: SlabPool,
    rounding: Rounding,
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
      const importance = this.options.importance ?? (() => null);
      await convertTensors(file.tensors, out, { rounding, importance, pool, onBytes });
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

  #copy(manifest: Manifest): void {
    for (const name of COPIED) {
      const made = this.weights.made[name];
      const { folder } = this.weights;
      const bytes = made !== undefined
        ? new TextEncoder().encode(made)
        : folder === null
        ? null
        : readWhole(this.#disk, `${folder}/${name}`, MOST_COPIED);
      if (bytes === null) continue;
      writeWhole(this.#disk, `${this.#work}/${name}`, bytes);
      manifest.files[name] = createHash("sha256").update(bytes).digest("hex");
      manifest.sizes[name] = bytes.length;
    }
  }

  /** Only renames from here on; cut off in the middle, the next run does the rest. */
  #commit(manifest: Manifest): void {
    const disk = this.#disk;
    disk.remove(`${this.target}/manifest.json`);
    for (const name of disk.list(this.target)) {
      if (name.endsWith(".safetensors") && !(name in manifest.files)) disk.remove(`${this.target}/${name}`);
    }
    for (const name of Object.keys(manifest.files)) {
      if (disk.size(`${this.#work}/${name}`) !== null) {
        disk.rename(`${this.#work}/${name}`, `${this.target}/${name}`);
      }
    }
    disk.rename(`${this.#work}/manifest.json`, `${this.target}/manifest.json`);
    disk.remove(this.#work);
  }
}
