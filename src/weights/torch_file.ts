/**
 * A state dict saved by `torch.save` (PyTorch 1.6 or newer): a ZIP archive of one pickle, which names the tensors, and a
 * file of bytes for each storage. The pickle is interpreted, never run (pickle.ts).
 */
import { type Dtype, type TensorInfo, WIDTH } from "../gpu/safetensors.ts";
import { type DiskFile, openFile, readFully } from "./disk_file.ts";
import { type Known, PickledName, readPickle } from "./pickle.ts";
import { readZip, type ZipEntry } from "./zip.ts";

const DTYPES: Record<string, Dtype> = {
  "torch.DoubleStorage": "F64",
  "torch.FloatStorage": "F32",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
};
const MOST_PICKLE = 100 << 20;

interface Storage {
  key: string;
  dtype: Dtype;
}
class TorchTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

const KNOWN: Known = new Map<string, (args: unknown[]) => unknown>([
  ["collections.OrderedDict", ([pairs = []]) => {
    if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2)) {
      throw new Error("a dictionary in it is made of no pairs");
    }
    return new Map(pairs);
  }],
  ["torch._utils._rebuild_tensor_v2", tensorOf],
  ["torch._utils._rebuild_parameter", ([tensor]) => tensor],
]);

export class TorchFile {
  private constructor(
    readonly path: string,
    private readonly file: DiskFile,
    /** Offsets are the file's own. */
    readonly tensors: Map<string, TensorInfo>,
  ) {}

  /** @throws Error naming the file, and the tensor where it is one that is amiss */
  static open(path: string): TorchFile {
    const file = openFile(path, "read");
    try {
      return new TorchFile(path, file, readTensors(file));
    } catch (error) {
      file.close();
      throw new Error(`Cannot read ${path}: ${(error as Error).message}`);
    }
  }

  /** Where in the file bytes [from, from + length) of a tensor begin. */
  offset(name: string, from: number, length: number): number {
    const t = this.tensors.get(name);
    if (!t || from + length > t.end - t.begin) {
      throw new Error(`Cannot read ${this.path}: tensor ${name} has no byte ${from + length}`);
    }
    return t.begin + from;
  }

  read(name: string, from: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.file.seek(this.offset(name, from, length));
    if (readFully(this.file, bytes) < length) {
      throw new Error(`Cannot read ${this.path}: tensor ${name} is cut off`);
    }
    return bytes;
  }

  close(): void {
    this.file.close();
  }
}

function readTensors(file: DiskFile): Map<string, TensorInfo> {
  const head = new Uint8Array(2);
  readFully(file, head);
  if (head[0] === 0x80) throw new Error("it was saved by a PyTorch before 1.6, whose format is not read");
  const entries = readZip(file);
  const pickle = [...entries.values()].find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined) throw new Error("it holds no data.pkl: torch.save did not write it");
  const prefix = pickle.name.slice(0, -"data.pkl".length);
  if (pickle.size > MOST_PICKLE) throw new Error(`its pickle has ${pickle.size} bytes`);
  const text = (entry: ZipEntry) => {
    const bytes = new Uint8Array(entry.size);
    file.seek(entry.at);
    if (readFully(file, bytes) < bytes.length) throw new Error(`${entry.name} in it is cut off`);
    return bytes;
  };
  const order = entries.get(`${prefix}byteorder`);
  if (order && order.size < 16 && new TextDecoder().decode(text(order)) !== "little") {
    throw new Error("its numbers are big-endian");
  }
  const dict = readPickle(text(pickle), KNOWN, new Set(Object.keys(DTYPES)), storageOf);
  if (!(dict instanceof Map)) throw new Error("it holds no state dict");
  const tensors = new Map<string, TensorInfo>();
  for (const [name, value] of dict) {
    if (typeof name !== "string" || !(value instanceof TorchTensor)) {
      throw new Error(`${JSON.stringify(name)} in it is no tensor: it is no plain state dict`);
    }
    tensors.set(name, infoOf(name, value, entries.get(`${prefix}data/${value.storage.key}`)));
  }
  return tensors;
}

/** What ("storage", type, key, place, values) stands for. */
function storageOf(id: unknown): Storage {
  const [kind, type, key] = Array.isArray(id) ? id : [];
  if (kind !== "storage" || !(type instanceof PickledName) || !Object.hasOwn(DTYPES, type.name)) {
    throw new Error("it refers to what is no storage");
  }
  if (typeof key !== "string" || !/^\d+$/.test(key)) throw new Error("a storage in it has no number");
  return { key, dtype: DTYPES[type.name] };
}

const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

/** Of (storage, offset, shape, strides, …). */
function tensorOf([storage, offset, shape, strides]: unknown[]): TorchTensor {
  const counts = (list: unknown): list is number[] =>
    Array.isArray(list) && list.length <= 16 && list.every(isCount);
  const { key, dtype } = (storage ?? {}) as Partial<Storage>;
  if (key === undefined || dtype === undefined || !isCount(offset) || !counts(shape) || !counts(strides)) {
    throw new Error("a tensor in it is not described as PyTorch does");
  }
  return new TorchTensor({ key, dtype }, offset, shape, strides);
}

function infoOf(name: string, t: TorchTensor, entry: ZipEntry | undefined): TensorInfo {
  if (entry === undefined) throw new Error(`tensor ${name} has no storage`);
  const { storage: { dtype }, offset, shape, strides } = t;
  let values = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] > 1 && strides[i] !== values) throw new Error(`tensor ${name} does not lie in rows`);
    values *= shape[i];
  }
  const begin = entry.at + offset * WIDTH[dtype], end = begin + values * WIDTH[dtype];
  if (!Number.isSafeInteger(end) || end > entry.at + entry.size) {
    throw new Error(`tensor ${name} of shape [${shape}] is longer than its storage`);
  }
  return { name, dtype, shape, begin, end };
}
