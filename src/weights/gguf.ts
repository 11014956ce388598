/**
 * GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata and the list of tensors, all counts
 * and offsets checked against the file before anything is believed; tensors read by bytes on demand.
 */
import { type DiskFile, openFile, readFully } from "./disk_file.ts";

/** Types that are read: ggml's number, values and bytes of a block. */
export const GGUF_TYPES = {
  F32: { id: 0, values: 1, bytes: 4 },
  F16: { id: 1, values: 1, bytes: 2 },
  Q4_0: { id: 2, values: 32, bytes: 18 },
  Q4_1: { id: 3, values: 32, bytes: 20 },
  Q5_0: { id: 6, values: 32, bytes: 22 },
  Q5_1: { id: 7, values: 32, bytes: 24 },
  Q8_0: { id: 8, values: 32, bytes: 34 },
  Q4_K: { id: 12, values: 256, bytes: 144 },
  Q5_K: { id: 13, values: 256, bytes: 176 },
  Q6_K: { id: 14, values: 256, bytes: 210 },
  BF16: { id: 30, values: 1, bytes: 2 },
} as const;

export type GgufType = keyof typeof GGUF_TYPES;

export interface GgufTensor {
  name: string;
  type: GgufType;
  /** Row-major, as safetensors has it: the file's dimensions the other way round. */
  shape: number[];
  /** Bytes of one row (the last dimension). */
  rowBytes: number;
  /** Bytes from the start of the data. */
  begin: number;
  bytes: number;
}

export type GgufValue = number | boolean | string | GgufValue[];

const MOST_PAIRS = 100_000, MOST_TENSORS = 100_000, MOST_ITEMS = 4_000_000, MOST_TEXT = 16 << 20;

export class GgufFile {
  private constructor(
    readonly path: string,
    private readonly file: DiskFile,
    readonly metadata: ReadonlyMap<string, GgufValue>,
    readonly tensors: ReadonlyMap<string, GgufTensor>,
    private readonly dataStart: number,
    /** Where the metadata ends and the list of tensors begins, in bytes. */
    readonly metadataEnd: number,
  ) {}

  /** @throws Error naming the file and what is wrong with it */
  static open(path: string): GgufFile {
    const file = openFile(path, "read");
    try {
      const reader = new Reader(path, file);
      if (reader.text(4) !== "GGUF") reader.fail("it does not begin with GGUF");
      const version = reader.u32();
      if (version !== 2 && version !== 3) reader.fail(`its version is ${version}, 2 and 3 are known`);
      const tensorCount = reader.count(MOST_TENSORS, "tensors");
      const pairs = reader.count(MOST_PAIRS, "metadata");
      const metadata = new Map<string, GgufValue>();
      for (let i = 0; i < pairs; i++) {
        const key = reader.string();
        metadata.set(key, reader.value(reader.u32(), 0));
      }
      const metadataEnd = reader.at;
      const listed = Array.from({ length: tensorCount }, () => tensorInfo(reader));
      const alignment = metadata.get("general.alignment") ?? 32;
      if (typeof alignment !== "number" || !(alignment > 0) || alignment % 8 !== 0) {
        return reader.fail("its alignment is no multiple of 8");
      }
      const dataStart = Math.ceil(reader.at / alignment) * alignment;
      const tensors = placed(reader, listed, file.size() - dataStart);
      return new GgufFile(path, file, metadata, tensors, dataStart, metadataEnd);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Where in the file the bytes of a tensor from `from` on are. */
  offset({ begin }: GgufTensor, from: number): number {
    return this.dataStart + begin + from;
  }

  /** Bytes [from, from + length) of a tensor. */
  read(tensor: GgufTensor, from: number, length: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(length);
    this.file.seek(this.offset(tensor, from));
    if (from + length > tensor.bytes || readFully(this.file, out) < length) {
      throw new Error(`Cannot read ${this.path}: tensor ${tensor.name} is cut off`);
    }
    return out;
  }

  close(): void {
    this.file.close();
  }
}

interface Listed {
  name: string;
  shape: number[];
  type: GgufType;
  begin: number;
}

function tensorInfo(reader: Reader): Listed {
  const name = reader.string();
  const dimensions = reader.u32();
  if (dimensions < 1 || dimensions > 4) reader.fail(`tensor ${name} has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => reader.u64()).reverse();
  const id = reader.u32();
  const type = (Object.keys(GGUF_TYPES) as GgufType[]).find((key) => GGUF_TYPES[key].id === id);
  if (type === undefined) {
    return reader.fail(
      `tensor ${name} has ggml type ${id}; read are ${Object.keys(GGUF_TYPES).join(", ")}`,
    );
  }
  return { name, shape, type, begin: reader.u64() };
}

/** Sizes, checked: within the data, none over another. */
function placed(reader: Reader, listed: Listed[], dataSize: number): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  let end = 0;
  for (const { name, shape, type, begin } of listed.sort((a, b) => a.begin - b.begin)) {
    const block = GGUF_TYPES[type];
    const width = shape[shape.length - 1];
    const rowBytes = width / block.values * block.bytes;
    const bytes = shape.slice(0, -1).reduce((a, b) => a * b, rowBytes);
    if (width % block.values !== 0 || !Number.isSafeInteger(bytes) || bytes <= 0) {
      reader.fail(`tensor ${name} of type ${type} cannot be [${shape}]`);
    }
    if (begin < end || begin + bytes > dataSize) {
      reader.fail(`tensor ${name} lies at ${begin} with ${bytes} bytes, free are ${end} to ${dataSize}`);
    }
    if (tensors.has(name)) reader.fail(`tensor ${name} is there twice`);
    tensors.set(name, { name, type, shape, rowBytes, begin, bytes });
    end = begin + bytes;
  }
  return tensors;
}

/** Reads little-endian values from the start of a file on. */
class Reader {
  #block = new Uint8Array(0);
  #view = new DataView(new ArrayBuffer(0));
  readonly #decoder = new TextDecoder();
  /** Where the block begins in the file, and the next byte in the block. */
  #start = 0;
  #next = 0;

  constructor(private readonly path: string, private readonly file: DiskFile) {}

  get at(): number {
    return this.#start + this.#next;
  }

  fail(reason: string): never {
    throw new Error(`Cannot read ${this.path}: ${reason}`);
  }

  #take(length: number): number {
    if (this.#next + length > this.#block.length) {
      this.#start = this.at;
      const block = new Uint8Array(Math.max(length, 1 << 20));
      this.file.seek(this.#start);
      this.#block = block.subarray(0, readFully(this.file, block));
      this.#view = new DataView(block.buffer);
      this.#next = 0;
      if (length > this.#block.length) this.fail("its header is cut off");
    }
    this.#next += length;
    return this.#next - length;
  }

  u32(): number {
    const at = this.#take(4);
    return this.#view.getUint32(at, true);
  }

  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) this.fail(`it has a size of ${value}`);
    return value;
  }

  count(most: number, what: string): number {
    const value = this.u64();
    if (value > most) this.fail(`it claims ${value} ${what}, at most ${most} are sensible`);
    return value;
  }

  text(length: number): string {
    const at = this.#take(length);
    return this.#decoder.decode(this.#block.subarray(at, at + length));
  }

  string(): string {
    return this.text(this.count(MOST_TEXT, "bytes of text"));
  }

  value(type: number, depth: number): GgufValue {
    const number = (bytes: number, get: (view: DataView, at: number) => number) => {
      const at = this.#take(bytes);
      return get(this.#view, at);
    };
    switch (type) {
      case 0:
        return number(1, (v, at) => v.getUint8(at));
      case 1:
        return number(1, (v, at) => v.getInt8(at));
      case 2:
        return number(2, (v, at) => v.getUint16(at, true));
      case 3:
        return number(2, (v, at) => v.getInt16(at, true));
      case 4:
        return this.u32();
      case 5:
        return number(4, (v, at) => v.getInt32(at, true));
      case 6:
        return number(4, (v, at) => v.getFloat32(at, true));
      case 7:
        return number(1, (v, at) => v.getUint8(at)) !== 0;
      case 8:
        return this.string();
      case 9: {
        if (depth > 1) this.fail("its metadata is nested too deep");
        const inner = this.u32();
        const items = this.count(MOST_ITEMS, "items of metadata");
        const list: GgufValue[] = [];
        for (let i = 0; i < items; i++) list.push(this.value(inner, depth + 1));
        return list;
      }
      case 10:
        return number(8, (v, at) => Number(v.getBigUint64(at, true)));
      case 11:
        return number(8, (v, at) => Number(v.getBigInt64(at, true)));
      case 12:
        return number(8, (v, at) => v.getFloat64(at, true));
      default:
        return this.fail(`its metadata has a value of type ${type}`);
    }
  }
}
