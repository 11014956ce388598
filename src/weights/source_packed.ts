/**
 * A checkpoint that was quantised to 4 bits by GPTQ or AWQ as a source: matrices keep their codes, with the scale and
 * zero of their group given to each 32 columns (the product scale · zero is rounded to half precision). GPTQ's act-order,
 * whose groups are no runs of columns, is dequantised and rounded again.
 *
 * GPTQ: qweight I32 [K/8, N] (eight k a word, low first), qzeros I32 [groups, N/8] (one less than the zero, except
 * "gptq_v2"), scales F16 [groups, N], g_idx I32 [K]. AWQ "gemm": qweight I32 [K, N/8], qzeros I32 [groups, N/8], eight n
 * a word in the order 0 2 4 6 1 3 5 7.
 */
import { SafetensorsFile, toFloat32 } from "../gpu/safetensors.ts";
import { becomesInt4, type Rule } from "./keep_rule.ts";
import { isTorchShard, shardNames } from "./shard_index.ts";
import { rowsOfSlab, type SourceTensor, type WeightSource } from "./source.ts";
import { openPublishedSource } from "./source_published.ts";

export interface PackedConfig {
  method: "gptq" | "awq";
  /** Columns that share a scale; -1: all. */
  groupSize: number;
  /** qzeros are what they say. */
  plainZeros: boolean;
}

const AWQ_ORDER = [0, 4, 1, 5, 2, 6, 3, 7];

/** `quantization_config` of a config.json, or null. @throws Error on a kind that is not read */
export function packedConfig(folder: string, config: Record<string, unknown>): PackedConfig | null {
  const q = config.quantization_config as Record<string, unknown> | undefined;
  if (q === undefined || q === null) return null;
  const fail = (reason: string): never => {
    throw new Error(`Cannot convert ${folder}: ${reason}`);
  };
  const method = q.quant_method;
  if (method !== "gptq" && method !== "awq") {
    return fail(
      `its weights are quantised by ${method}; gptq and awq are read, or take the model as published`,
    );
  }
  const bits = q.bits ?? q.w_bit, groupSize = q.group_size ?? q.q_group_size;
  if (bits !== 4) fail(`its weights have ${bits} bits, 4 are read`);
  if (method === "awq" && q.version !== undefined && String(q.version).toLowerCase() !== "gemm") {
    fail(`its AWQ version is ${q.version}, gemm is read`);
  }
  if (typeof groupSize !== "number" || !(groupSize === -1 || groupSize % 32 === 0 && groupSize > 0)) {
    return fail(`its groups have ${groupSize} columns: multiples of 32 are read`);
  }
  return { method, groupSize, plainZeros: method === "awq" || q.checkpoint_format === "gptq_v2" };
}

/** @throws Error naming the file or tensor that is missing or does not fit */
export function openPackedSource(
  folder: string,
  config: Record<string, unknown>,
  packed: PackedConfig,
  rule: Rule = becomesInt4,
): WeightSource {
  const pickled = shardNames(folder).find(isTorchShard);
  if (pickled !== undefined) {
    throw new Error(
      `Cannot convert ${folder}: codes of 4 bits are read from safetensors, not from ${pickled}`,
    );
  }
  const plain = openPublishedSource(folder, rule);
  const opened: SafetensorsFile[] = [];
  try {
    const where = new Map<string, SafetensorsFile>();
    for (const { name } of plain.files) {
      const file = SafetensorsFile.open(`${folder}/${name}`);
      opened.push(file);
      for (const tensor of file.tensors.keys()) where.set(tensor, file);
    }
    const parts = /\.(qweight|qzeros|scales|g_idx)$/;
    const { quantization_config: _, ...rest } = config;
    return {
      ...plain,
      files: plain.files.map(({ name, tensors }) => ({
        name,
        tensors: tensors.flatMap((t) => {
          if (t.name.endsWith(".qweight")) return [packedTensor(folder, where, t.name.slice(0, -8), packed)];
          return parts.test(t.name) && where.has(t.name.replace(parts, ".qweight")) ? [] : [t];
        }),
      })),
      made: { ...plain.made, "config.json": JSON.stringify(rest, null, 1) + "\n" },
      close() {
        plain.close();
        for (const file of opened) file.close();
      },
    };
  } catch (error) {
    plain.close();
    for (const file of opened) file.close();
    throw error;
  }
}

/** One matrix, unpacked as a whole when its first slab is asked for. */
class Unpacked {
  constructor(
    readonly qweight: Int32Array,
    readonly qzeros: Int32Array,
    readonly scales: Float32Array,
    /** Group of each column; null: runs of `groupSize`. */
    readonly groups: Int32Array | null,
  ) {}
}

function packedTensor(
  folder: string,
  where: ReadonlyMap<string, SafetensorsFile>,
  base: string,
  { method, groupSize, plainZeros }: PackedConfig,
): SourceTensor {
  const file = (part: string): SafetensorsFile => {
    const found = where.get(`${base}.${part}`);
    if (found === undefined) throw new Error(`Cannot convert ${folder}: tensor ${base}.${part} is missing`);
    return found;
  };
  const info = (part: string) => file(part).tensors.get(`${base}.${part}`)!;
  const packed = info("qweight").shape;
  const [k, n] = method === "gptq" ? [packed[0] * 8, packed[1]] : [packed[0], packed[1] * 8];
  const size = groupSize === -1 ? k : groupSize;
  const count = Math.ceil(k / size);
  const expect = (part: string, shape: number[], dtypes: string[]) => {
    const t = info(part);
    if (t.shape.join() !== shape.join() || !dtypes.includes(t.dtype)) {
      throw new Error(
        `Cannot convert ${folder}: tensor ${base}.${part} is ${t.dtype} [${t.shape}], [${shape}] was expected`,
      );
    }
  };
  expect("qweight", packed.length === 2 ? packed : [0, 0], ["I32"]);
  expect("qzeros", [count, n / 8], ["I32"]);
  expect("scales", [count, n], ["F16", "BF16", "F32"]);
  let unpacked: Unpacked | null = null;
  const load = (): Unpacked => {
    const ints = (part: string) => new Int32Array(file(part).read(`${base}.${part}`).buffer);
    const ordered = where.has(`${base}.g_idx`) ? ints("g_idx") : null;
    const runs = ordered === null || ordered.every((group, i) => group === Math.floor(i / size));
    const scales = toFloat32(file("scales").read(`${base}.scales`), info("scales").dtype);
    return new Unpacked(ints("qweight"), ints("qzeros"), scales, runs ? null : ordered);
  };
  const code = method === "gptq"
    ? (q: Int32Array, row: number, col: number) => (q[(col >> 3) * n + row] >>> (4 * (col & 7))) & 15
    : (q: Int32Array, row: number, col: number) =>
      (q[col * (n / 8) + (row >> 3)] >>> (4 * AWQ_ORDER[row & 7])) & 15;
  const zeroAt = (z: Int32Array, group: number, row: number) =>
    (z[group * (n / 8) + (row >> 3)] >>> (4 * (method === "gptq" ? row & 7 : AWQ_ORDER[row & 7]))) & 15;
  return {
    name: `${base}.weight`,
    shape: [n, k],
    bytes: n * k / 2,
    target: "int4",
    fixed: true,
    slabRows: rowsOfSlab(k),
    slab(from, rows) {
      if (from === 0) unpacked = load();
      const { qweight, qzeros, scales, groups } = unpacked ??= load();
      const codes = new Uint8Array(rows * k);
      const pairs = new Float32Array(rows * (k / 32) * 2);
      const values = groups === null ? null : new Float32Array(rows * k);
      for (let r = 0; r < rows; r++) {
        const row = from + r;
        for (let c = 0; c < k; c++) codes[r * k + c] = code(qweight, row, c);
        if (values === null) {
          for (let g = 0; g < k / 32; g++) {
            const group = Math.floor(g * 32 / size);
            const scale = scales[group * n + row];
            const zero = zeroAt(qzeros, group, row) + (plainZeros ? 0 : 1);
            pairs[(r * (k / 32) + g) * 2] = scale;
            pairs[(r * (k / 32) + g) * 2 + 1] = -scale * zero;
          }
          continue;
        }
        for (let c = 0; c < k; c++) {
          const group = groups![c];
          const zero = zeroAt(qzeros, group, row) + (plainZeros ? 0 : 1);
          values[r * k + c] = scales[group * n + row] * (codes[r * k + c] - zero);
        }
      }
      if (from + rows === n) unpacked = null;
      return values === null
        ? { kind: "codes", bytes: codes, pairs }
        : { kind: "plain", dtype: "F32", bytes: new Uint8Array(values.buffer) };
    },
    raw() {
      throw new Error("Cannot keep a packed tensor");
    },
  };
}
