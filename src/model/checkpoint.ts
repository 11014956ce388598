/**
 * A checkpoint folder's tensors by their official names, over any number of safetensors files.
 * An int4 tensor `w` [N, K] is stored as the kernels read it, in quads of four rows: `w.int4` U32
 * [ceil(N/4), ceil(K/8), 4] (word j of a row: low nibbles k = 8j … 8j+3, high nibbles k = 8j+4 … 8j+7, one byte each)
 * and `w.scale_min` F16 [ceil(N/4), ceil(K/32), 4, 2]; w = scale · q + minimum. Rows past N and columns past K are 0.
 * An int8 tensor has `w.int8` U32 [ceil(N/4), 2 · ceil(K/8), 4] in place of `w.int4`: word j holds k = 4j … 4j+3, q in
 * 0 … 255.
 */
import {
  type Dtype,
  SafetensorsError,
  SafetensorsFile,
  type TensorInfo,
  toFloat32,
} from "../gpu/safetensors.ts";

/** Codes with a scale and a minimum for each 32 columns. */
export type Coded = "int4" | "int8";

/** Sees all that is read of a tensor: `bytes` at `from` of its `total`. May throw on damage. */
export interface ReadCheck {
  read(file: string, tensor: string, from: number, bytes: Uint8Array, total: number): void;
  /** Tensors that were read, but not whole and in order. */
  unfinished(): string[];
  /** Forgets what was seen of a tensor. */
  restart(tensor: string): void;
}

const CHECK_BLOCK = 4 << 20;

export class Checkpoint {
  #where = new Map<string, SafetensorsFile>();
  #used = new Set<string>();
  #scratch: Uint8Array<ArrayBuffer>[] = [];

  private constructor(
    readonly folder: string,
    private readonly files: SafetensorsFile[],
    private readonly check: ReadCheck | null,
  ) {
    for (const file of files) {
      for (const name of file.tensors.keys()) {
        if (this.#where.has(name)) {
          throw new SafetensorsError(file.path, `tensor ${name} stands in two files`);
        }
        this.#where.set(name, file);
      }
    }
  }

  /** Opens every *.safetensors of the folder. @throws SafetensorsError on damage or when there is none. */
  static open(folder: string, check: ReadCheck | null = null): Checkpoint {
    const names = [...Deno.readDirSync(folder)].map((e) => e.name).filter((n) => n.endsWith(".safetensors"))
      .sort();
    if (!names.length) throw new SafetensorsError(folder, "it holds no .safetensors file");
    return new Checkpoint(folder, names.map((n) => SafetensorsFile.open(`${folder}/${n}`)), check);
  }

  has(name: string): boolean {
    return this.#where.has(name) || this.coded(name) !== null;
  }

  /** How the tensor's codes are held; null: it has none. */
  coded(name: string): Coded | null {
    return this.#where.has(`${name}.int4`) ? "int4" : this.#where.has(`${name}.int8`) ? "int8" : null;
  }

  info(name: string): TensorInfo {
    const file = this.#where.get(name);
    if (!file) throw new SafetensorsError(this.folder, `no file has tensor ${name}`);
    return file.tensors.get(name)!;
  }

  dtype(name: string): Dtype | Coded {
    return this.coded(name) ?? this.info(name).dtype;
  }

  /** Rows of a matrix. One in codes tells them only up to a multiple of four: `claimed` where that fits. */
  rowsOf(name: string, claimed: number): number {
    const coded = this.coded(name);
    if (!coded) return this.info(name).shape[0];
    const [quads] = this.info(`${name}.${coded}`).shape;
    return Math.ceil(claimed / 4) === quads ? claimed : quads * 4;
  }

  /** Rows [from, from + count) as raw bytes of the stored dtype. */
  rows(name: string, from: number, count: number): Uint8Array<ArrayBuffer> {
    const info = this.info(name);
    const width = (info.end - info.begin) / info.shape[0];
    const bytes = new Uint8Array(count * width);
    this.readInto(name, from * width, bytes);
    return bytes;
  }

  /** Fills `into` with the stored bytes from `from` on. */
  readInto(name: string, from: number, into: Uint8Array<ArrayBuffer>): void {
    const { begin, end } = this.info(name);
    const file = this.#where.get(name)!;
    this.#used.add(name);
    file.readInto(name, from, into);
    this.check?.read(file.path.slice(file.path.lastIndexOf("/") + 1), name, from, into, end - begin);
  }

  /** Memory that a load uses over and over: `which` tells those apart that are in use at once. At least `bytes`. */
  scratch(which: number, bytes: number): Uint8Array<ArrayBuffer> {
    const found = this.#scratch[which];
    if (found !== undefined && found.length >= bytes) return found;
    return this.#scratch[which] = new Uint8Array(bytes);
  }

  /** Reads what the check has not seen whole and in order once more. @throws what the check throws on damage */
  finishChecks(): void {
    for (const name of this.check?.unfinished() ?? []) {
      this.check!.restart(name);
      const { begin, end } = this.info(name);
      for (let at = 0; at < end - begin; at += CHECK_BLOCK) {
        this.readInto(
          name,
          at,
          this.scratch(0, CHECK_BLOCK).subarray(0, Math.min(CHECK_BLOCK, end - begin - at)),
        );
      }
    }
  }

  /** A whole tensor as float32, its shape checked. */
  floats(name: string, shape?: number[]): Float32Array<ArrayBuffer> {
    const info = this.info(name);
    if (shape && (shape.length !== info.shape.length || shape.some((n, i) => n !== info.shape[i]))) {
      throw new SafetensorsError(this.folder, `tensor ${name} is [${info.shape}], [${shape}] was expected`);
    }
    return toFloat32(this.rows(name, 0, info.shape[0]), info.dtype);
  }

  /** Tensors that nobody has read and that `skip` does not name: a loader must account for all. */
  unused(skip: RegExp): string[] {
    return [...this.#where.keys()].filter((n) => !this.#used.has(n) && !skip.test(n));
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}
