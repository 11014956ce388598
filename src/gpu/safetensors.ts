/**
 * Safetensors files: header checked before anything is believed, tensors read by name on demand.
 * Format: u64 LE header length, JSON header, data; offsets are relative to the data and may neither overlap nor
 * leave holes (https://github.com/huggingface/safetensors, "Format").
 */

export type Dtype =
  | "F64"
  | "F32"
  | "F16"
  | "BF16"
  | "I64"
  | "I32"
  | "I16"
  | "I8"
  | "U64"
  | "U32"
  | "U16"
  | "U8"
  | "BOOL";

/** Bytes a value. */
export const WIDTH: Record<Dtype, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

export interface TensorInfo {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** Byte offsets from the start of the data. */
  begin: number;
  end: number;
}

export class SafetensorsError extends Error {
  constructor(file: string, reason: string) {
    super(`Cannot read ${file}: ${reason}`);
    this.name = "SafetensorsError";
  }
}

const MAX_HEADER = 100 * 1024 * 1024;

/** Checks a header. `fileSize` is the whole file. @throws SafetensorsError with the tensor named. */
export function parseHeader(file: string, header: Uint8Array, fileSize: number): {
  tensors: Map<string, TensorInfo>;
  metadata: Record<string, string>;
} {
  const fail = (reason: string): never => {
    throw new SafetensorsError(file, reason);
  };
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
  } catch {
    fail("its header is not JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) fail("its header is not an object");
  const dataSize = fileSize - 8 - header.length;
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json as Record<string, unknown>)) {
    if (name === "__metadata__") {
      if (typeof value !== "object" || value === null) fail("__metadata__ is not an object");
      metadata = value as Record<string, string>;
      continue;
    }
    const t = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown } | null;
    const width = t && typeof t.dtype === "string" && Object.hasOwn(WIDTH, t.dtype)
      ? WIDTH[t.dtype as Dtype]
      : 0;
    if (!width) fail(`tensor ${name} has no known dtype`);
    const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
    if (!Array.isArray(t!.shape) || t!.shape.length > 16 || !t!.shape.every(isCount)) {
      fail(`tensor ${name} has no shape`);
    }
    const offsets = t!.data_offsets;
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
      fail(`tensor ${name} has no offsets`);
    }
    const [begin, end] = offsets as [number, number];
    const shape = t!.shape as number[];
    const bytes = shape.reduce((a, b) => a * b, width);
    if (!Number.isSafeInteger(bytes) || begin > end || end > dataSize || end - begin !== bytes) {
      fail(
        `tensor ${name} is ${bytes} bytes by its shape, its offsets are [${begin}, ${end}] of ${dataSize}`,
      );
    }
    tensors.set(name, { name, dtype: t!.dtype as Dtype, shape, begin, end });
  }
  let at = 0;
  for (const t of [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (t.begin !== at) fail(`tensor ${t.name} begins at ${t.begin}, the one before ends at ${at}`);
    at = t.end;
  }
  if (at !== dataSize) fail(`its tensors end at ${at}, its data at ${dataSize}`);
  return { tensors, metadata };
}

/** One open safetensors file. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly file: Deno.FsFile,
    readonly tensors: Map<string, TensorInfo>,
    readonly metadata: Record<string, string>,
    private readonly dataStart: number,
  ) {}

  static open(path: string): SafetensorsFile {
    const file = Deno.openSync(path, { read: true });
    try {
      const size = file.statSync().size;
      const head = new Uint8Array(8);
      if (readFully(file, head) < 8) throw new SafetensorsError(path, "it is shorter than 8 bytes");
      const length = new DataView(head.buffer).getBigUint64(0, true);
      if (length > BigInt(Math.min(MAX_HEADER, size - 8))) {
        throw new SafetensorsError(path, `its header claims ${length} bytes`);
      }
      const header = new Uint8Array(Number(length));
      if (readFully(file, header) < header.length) throw new SafetensorsError(path, "its header is cut off");
      const { tensors, metadata } = parseHeader(path, header, size);
      return new SafetensorsFile(path, file, tensors, metadata, 8 + header.length);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Raw bytes of a tensor, or of bytes [from, from + length) of it. */
  read(name: string, from = 0, length?: number): Uint8Array<ArrayBuffer> {
    const t = this.tensors.get(name);
    if (!t) throw new SafetensorsError(this.path, `it has no tensor ${name}`);
    const bytes = new Uint8Array(length ?? t.end - t.begin - from);
    this.readInto(name, from, bytes);
    return bytes;
  }

  /** Where in the file bytes [from, from + length) of a tensor begin. */
  offset(name: string, from: number, length: number): number {
    const t = this.tensors.get(name);
    if (!t) throw new SafetensorsError(this.path, `it has no tensor ${name}`);
    if (from + length > t.end - t.begin) {
      throw new SafetensorsError(this.path, `tensor ${name} ends before ${from + length} bytes`);
    }
    return this.dataStart + t.begin + from;
  }

  /** Fills `into` with the bytes of a tensor from `from` on. */
  readInto(name: string, from: number, into: Uint8Array<ArrayBuffer>): void {
    this.file.seekSync(this.offset(name, from, into.length), Deno.SeekMode.Start);
    if (readFully(this.file, into) < into.length) {
      throw new SafetensorsError(this.path, `tensor ${name} is cut off`);
    }
  }

  close(): void {
    this.file.close();
  }
}

function readFully(file: Deno.FsFile, into: Uint8Array): number {
  let at = 0;
  while (at < into.length) {
    const n = file.readSync(into.subarray(at));
    if (n === null) break;
    at += n;
  }
  return at;
}

const scratch = new DataView(new ArrayBuffer(4));

/** Half precision bits → number (IEEE 754 binary16). */
export function fromHalf(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Number → half precision bits, rounded to nearest even, overflow to infinity. */
export function toHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    const units = Math.abs(value) * 2 ** 24;
    const floor = Math.floor(units);
    const rest = units - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor & 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | Math.min(0x7c00, (rounded - 0x38000000) >>> 13);
}

/** Any float or integer dtype → float32 values. */
export function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): Float32Array<ArrayBuffer> {
  const count = bytes.byteLength / WIDTH[dtype];
  switch (dtype) {
    case "F32":
      return new Float32Array(bytes.buffer, bytes.byteOffset, count);
    case "BF16": {
      const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
      const out = new Uint32Array(count);
      for (let i = 0; i < count; i++) out[i] = words[i] << 16;
      return new Float32Array(out.buffer);
    }
    case "F16": {
      const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
      return Float32Array.from(words, fromHalf);
    }
    case "F64":
      return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, count));
    case "I64":
      return Float32Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, count), Number);
    case "I32":
      return Float32Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, count));
    case "U8":
      return Float32Array.from(bytes);
    default:
      throw new Error(`Cannot read dtype ${dtype} as numbers`);
  }
}
