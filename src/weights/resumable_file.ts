/**
 * One output file of convert: tensors appended in the planned order, each hashed on the way and entered in the journal;
 * after a kill it goes on behind the last tensor whose bytes are on disk and right.
 */
import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Disk } from "./disk.ts";
import { blocks, type DiskFile, readFully, writeAll } from "./disk_file.ts";
import { type PlannedTensor, safetensorsHeader } from "./safetensors_writer.ts";

export interface TensorDigest {
  sha256: string;
  crc32: string;
}

/** A finished tensor of a file. */
export interface TensorEntry extends TensorDigest {
  file: string;
  tensor: string;
}

/** Eight hexadecimal digits. */
export const crcText = (crc: number): string => crc.toString(16).padStart(8, "0");

/** Bytes after which writing to disk begins. */
const FLUSH = 32 << 20;

export class ResumableFile {
  /** Digests of the finished tensors, by name. */
  readonly digests: Record<string, TensorDigest> = {};
  /** sha256 of length and header. */
  readonly headerDigest: string;
  #next = 0;
  #written = 0;
  #tensorHash = createHash("sha256");
  #tensorCrc = 0;
  #unflushed = 0;

  private constructor(
    private readonly file: DiskFile,
    private readonly plan: readonly PlannedTensor[],
    private fileHash: Hash,
    header: Uint8Array,
    private readonly onTensor: (tensor: string, digest: TensorDigest) => void,
  ) {
    this.headerDigest = createHash("sha256").update(header).digest("hex");
  }

  /**
   * @param finished what an earlier run entered for this file; checked against the bytes on disk
   * @param onTensor is called when a tensor is complete
   */
  static open(
    disk: Disk,
    path: string,
    plan: readonly PlannedTensor[],
    finished: ReadonlyMap<string, TensorDigest>,
    onTensor: (tensor: string, digest: TensorDigest) => void,
  ): ResumableFile {
    const header = safetensorsHeader(plan);
    const file = disk.open(path, "update");
    try {
      const hash = createHash("sha256").update(header);
      const out = new ResumableFile(file, plan, hash, header, onTensor);
      const end = out.#recover(header, finished);
      file.truncate(end);
      file.seek(end);
      if (end === 0) writeAll(file, header);
      out.#closeTensors();
      return out;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Tensors of the plan that are complete. */
  get complete(): number {
    return this.#next;
  }

  /** Bytes of the tensor that is next in the plan, in any number of pieces. */
  append(tensor: string, bytes: Uint8Array): void {
    const planned = this.plan[this.#next];
    if (planned?.name !== tensor || this.#written + bytes.length > planned.bytes) {
      throw new Error(
        `Cannot write ${tensor}: ${bytes.length} bytes after ${this.#written} do not fit ${planned?.name}`,
      );
    }
    writeAll(this.file, bytes);
    this.#unflushed += bytes.length;
    if (this.#unflushed >= FLUSH) {
      this.#unflushed = 0;
      this.file.flush();
    }
    this.fileHash.update(bytes);
    this.#tensorHash.update(bytes);
    this.#tensorCrc = crc32(bytes, this.#tensorCrc);
    this.#written += bytes.length;
    this.#closeTensors();
  }

  /** Tensors without a byte need no `append`. */
  #closeTensors(): void {
    while (this.#next < this.plan.length && this.#written === this.plan[this.#next].bytes) {
      const { name } = this.plan[this.#next++];
      this.digests[name] = { sha256: this.#tensorHash.digest("hex"), crc32: crcText(this.#tensorCrc) };
      this.#tensorHash = createHash("sha256");
      this.#tensorCrc = 0;
      this.#written = 0;
      this.onTensor(name, this.digests[name]);
    }
  }

  /** Flushes to disk and closes. @returns the file's sha256 */
  finish(): string {
    this.#closeTensors();
    if (this.#next !== this.plan.length) {
      throw new Error(`Cannot finish: tensor ${this.plan[this.#next].name} is missing`);
    }
    this.file.sync();
    this.file.close();
    return this.fileHash.digest("hex");
  }

  /** Leaves the file for a later run. */
  abandon(): void {
    this.file.close();
  }

  /** @returns bytes at the start of the file that are right */
  #recover(header: Uint8Array, finished: ReadonlyMap<string, TensorDigest>): number {
    const size = this.file.size();
    const head = new Uint8Array(header.length);
    this.file.seek(0);
    if (readFully(this.file, head) < head.length || !head.every((byte, i) => byte === header[i])) return 0;
    let end = header.length;
    for (const { name, bytes } of this.plan) {
      const wanted = finished.get(name);
      if (wanted === undefined || end + bytes > size) break;
      // The file's digest goes on only if this tensor's fits: try on a copy.
      const whole = this.fileHash.copy(), one = createHash("sha256");
      for (const block of blocks(this.file, bytes)) {
        one.update(block);
        whole.update(block);
      }
      if (one.digest("hex") !== wanted.sha256) break;
      this.fileHash = whole;
      this.digests[name] = wanted;
      this.#next++;
      end += bytes;
    }
    return end;
  }
}
