/**
 * A checkpoint folder's tensors by their official names, over any number of safetensors files.
 * An int4 tensor `w` [N, K] is stored as `w.int4` U32 [N, ceil(K/32)·4] (word j of a row: low nibbles k = 8j … 8j+3,
 * high nibbles k = 8j+4 … 8j+7, one byte each) and `w.scale_min` F16 [N, ceil(K/32), 2]; w = scale · q + minimum.
 */
import {
  type Dtype,
  SafetensorsError,
  SafetensorsFile,
  type TensorInfo,
  toFloat32,
} from "../gpu/safetensors.ts";

export interface Int4Rows {
  /** [rows, groups · 4] words. */
  words: Uint32Array;
  /** [rows, groups] of (scale, minimum) as two halves: scale in the low 16 bits. */
  scales: Uint32Array;
}

export class Checkpoint {
  #where = new Map<string, SafetensorsFile>();
  #used = new Set<string>();

  private constructor(readonly folder: string, private readonly files: SafetensorsFile[]) {
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
  static open(folder: string): Checkpoint {
    const names = [...Deno.readDirSync(folder)].map((e) => e.name).filter((n) => n.endsWith(".safetensors"))
      .sort();
    if (!names.length) throw new SafetensorsError(folder, "it holds no .safetensors file");
    return new Checkpoint(folder, names.map((n) => SafetensorsFile.open(`${folder}/${n}`)));
  }

  has(name: string): boolean {
    return this.#where.has(name) || this.isInt4(name);
  }

  isInt4(name: string): boolean {
    return this.#where.has(`${name}.int4`);
  }

  info(name: string): TensorInfo {
    const file = this.#where.get(name);
    if (!file) throw new SafetensorsError(this.folder, `no file has tensor ${name}`);
    return file.tensors.get(name)!;
  }

  dtype(name: string): Dtype | "INT4" {
    return this.isInt4(name) ? "INT4" : this.info(name).dtype;
  }

  /** Rows [from, from + count) as raw bytes of the stored dtype. */
  rows(name: string, from: number, count: number): Uint8Array<ArrayBuffer> {
    const info = this.info(name);
    this.#used.add(name);
    const width = (info.end - info.begin) / info.shape[0];
    return this.#where.get(name)!.read(name, from * width, count * width);
  }

  int4Rows(name: string, from: number, count: number): Int4Rows {
    const words = this.rows(`${name}.int4`, from, count);
    const scales = this.rows(`${name}.scale_min`, from, count);
    return { words: new Uint32Array(words.buffer), scales: new Uint32Array(scales.buffer) };
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
