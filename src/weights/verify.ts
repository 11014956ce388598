/**
 * Whether a converted model's folder is what its manifest says. `openVerified` looks at sizes and headers ("fast"), or
 * at every byte ("full"); the `TensorCheck` it gives checks the CRC of tensors while a loader reads them.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { SafetensorsFile } from "../gpu/safetensors.ts";
import { realDisk } from "./disk.ts";
import { blocks, type DiskFile, readFully } from "./disk_file.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { crcText } from "./resumable_file.ts";

export type VerifyMode = "fast" | "full";

const BLOCK = 4 << 20;

export class DamageError extends Error {
  constructor(folder: string, reason: string) {
    super(`Cannot load ${folder}: ${reason}; convert or pull the model again`);
    this.name = "DamageError";
  }
}

/**
 * @returns null for a published checkpoint, which has no manifest
 * @throws DamageError naming the file, and the tensor where it is known
 */
export function openVerified(folder: string, mode: VerifyMode): TensorCheck | null {
  const manifest = readManifest(folder);
  const shards = realDisk.list(folder).filter((name) => name.endsWith(".safetensors"));
  if (manifest === null) {
    if (realDisk.list(`${folder}/.converting`).length > 0) {
      throw new DamageError(folder, "its conversion was not finished");
    }
    for (const shard of shards) {
      if (tensorNames(`${folder}/${shard}`).some((name) => name.endsWith(".int4"))) {
        throw new DamageError(folder, `manifest.json is missing, though ${shard} is converted`);
      }
    }
    return null;
  }
  for (const shard of shards) {
    if (!Object.hasOwn(manifest.files, shard)) {
      throw new DamageError(folder, `${shard} is not in its manifest`);
    }
  }
  const tensors = new Set<string>();
  for (const [name, digest] of Object.entries(manifest.files)) {
    const file = `${folder}/${name}`;
    const size = realDisk.size(file);
    if (size === null) throw new DamageError(folder, `${name} is missing`);
    if (Deno.lstatSync(file).isSymlink) throw new DamageError(folder, `${name} is a link`);
    const wanted = manifest.sizes[name];
    if (wanted !== size) {
      throw new DamageError(folder, `${name} has ${size} bytes, ${wanted} were written`);
    }
    const isShard = name.endsWith(".safetensors");
    if (isShard) {
      if (headerDigest(file) !== manifest.headers[name]) {
        throw new DamageError(folder, `the header of ${name} is damaged`);
      }
      for (const tensor of tensorNames(file)) tensors.add(tensor);
    }
    // Small files always; the weights' own bytes are seen by the tensors' CRCs as they are read.
    if ((mode === "full" || !isShard) && digestOf(file) !== digest) {
      throw new DamageError(folder, `${name} is damaged${isShard ? damagedTensor(file, manifest) : ""}`);
    }
  }
  for (const name of tensors) {
    if (!Object.hasOwn(manifest.tensors, name) || !Object.hasOwn(manifest.crc32, name)) {
      throw new DamageError(folder, `tensor ${name} is not in its manifest`);
    }
  }
  for (const name of Object.keys(manifest.tensors)) {
    if (!tensors.has(name)) throw new DamageError(folder, `tensor ${name} is missing`);
  }
  return new TensorCheck(folder, manifest.crc32);
}

/** Checks tensors as they are read, in any slabs as long as each tensor's come in order. */
export class TensorCheck {
  readonly #open = new Map<string, { crc: number; at: number }>();
  readonly #checked = new Set<string>();

  constructor(private readonly folder: string, private readonly crcs: Readonly<Record<string, string>>) {}

  /**
   * Bytes [from, from + bytes.length) of a tensor of `total` bytes were read.
   * @throws DamageError naming file and tensor when the last of them shows that the CRC is wrong
   */
  read(file: string, tensor: string, from: number, bytes: Uint8Array, total: number): void {
    if (this.#checked.has(tensor)) return;
    let state = this.#open.get(tensor);
    if (state === undefined) this.#open.set(tensor, state = { crc: 0, at: 0 });
    if (from !== state.at) return; // out of order: `unfinished` names it
    state.crc = crc32(bytes, state.crc);
    state.at += bytes.length;
    if (state.at === total) this.#settle(file, tensor, crcText(state.crc));
  }

  /** Tensors of which something was read, but not all in order: to be read again from start to end. */
  unfinished(): string[] {
    return [...this.#open.keys()];
  }

  /** Forgets what was seen of a tensor, for a second reading. */
  restart(tensor: string): void {
    this.#open.delete(tensor);
  }

  #settle(file: string, tensor: string, crc: string): void {
    this.#open.delete(tensor);
    this.#checked.add(tensor);
    if (this.crcs[tensor] !== crc) {
      throw new DamageError(this.folder, `tensor ${tensor} in ${file} is damaged`);
    }
  }
}

/** sha256 of a file, read in blocks. */
export function digestOf(path: string): string {
  return withFile(path, (file) => {
    const hash = createHash("sha256");
    for (const block of blocks(file)) hash.update(block);
    return hash.digest("hex");
  });
}

function headerDigest(path: string): string {
  return withFile(path, (file) => {
    const head = new Uint8Array(8);
    readFully(file, head);
    const length = Number(new DataView(head.buffer).getBigUint64(0, true));
    if (!(length <= file.size())) return "";
    const header = new Uint8Array(length);
    readFully(file, header);
    return createHash("sha256").update(head).update(header).digest("hex");
  });
}

function withFile<T>(path: string, use: (file: DiskFile) => T): T {
  const file = realDisk.open(path, "read");
  try {
    return use(file);
  } finally {
    file.close();
  }
}

function withTensors<T>(path: string, use: (file: SafetensorsFile) => T): T {
  const file = SafetensorsFile.open(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

const tensorNames = (path: string): string[] => withTensors(path, (file) => [...file.tensors.keys()]);

/** " in tensor …" for the first tensor whose digest is wrong. */
function damagedTensor(path: string, manifest: Manifest): string {
  return withTensors(path, (file) => {
    for (const { name, begin, end } of file.tensors.values()) {
      const hash = createHash("sha256");
      for (let at = 0; at < end - begin; at += BLOCK) {
        hash.update(file.read(name, at, Math.min(BLOCK, end - begin - at)));
      }
      if (hash.digest("hex") !== manifest.tensors[name]) return ` in tensor ${name}`;
    }
    return " outside its tensors";
  });
}
