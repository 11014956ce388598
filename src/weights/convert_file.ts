/** One output file of convert: slabs read in order, turned to codes on all cores, written in order. */
import type { Dtype } from "../gpu/safetensors.ts";
import type { CodedTensor } from "./quantise.ts";
import { GROUP, QuantiseError } from "./quantise.ts";
import type { ResumableFile } from "./resumable_file.ts";
import { type PlannedTensor, safetensorsHeader } from "./safetensors_writer.ts";
import type { Rounding, SlabJob } from "./slab.ts";
import type { SlabPool } from "./slab_pool.ts";
import { bitsOfTarget, type SourceFile, type SourceTensor } from "./source.ts";

/** What a source tensor becomes, in the order in which it is written. */
export function planOf(
  t: Pick<SourceTensor, "name" | "shape" | "bytes" | "storedBytes" | "target">,
): PlannedTensor[] {
  const bits = bitsOfTarget(t.target);
  if (bits === null) {
    return [{ name: t.name, dtype: t.target as Dtype, shape: t.shape, bytes: t.storedBytes ?? t.bytes }];
  }
  const [n, k] = t.shape;
  const quads = Math.ceil(n / 4), words = bits / 4 * Math.ceil(k / 8), groups = Math.ceil(k / GROUP);
  return [
    { name: `${t.name}.${t.target}`, dtype: "U32", shape: [quads, words, 4], bytes: quads * words * 16 },
    { name: `${t.name}.scale_min`, dtype: "F16", shape: [quads, groups, 4, 2], bytes: quads * groups * 16 },
  ];
}

/** Bytes of all safetensors files that will be written. */
export function outputBytes(files: SourceFile[]): number {
  return files.reduce((sum, file) => {
    const plan = file.tensors.flatMap(planOf);
    return sum + safetensorsHeader(plan).length + plan.reduce((a, t) => a + t.bytes, 0);
  }, 0);
}

export interface FileJob {
  rounding: Rounding;
  /** Weight of each column's error by tensor, for "search". */
  importance: (tensor: string) => Float32Array | null;
  pool: SlabPool;
  /** Bytes of the source that were dealt with. */
  onBytes: (bytes: number, tensor: string) => void;
}

interface Step {
  tensor: SourceTensor;
  /** Rows of the tensor before this slab; `count` 0 for a tensor without rows. */
  from: number;
  count: number;
  last: boolean;
}

/**
 * Writes what `out` still lacks of `tensors`.
 * @throws Error naming the tensor that cannot be converted
 */
export async function convertTensors(
  tensors: SourceTensor[],
  out: ResumableFile,
  job: FileJob,
): Promise<void> {
  const steps = stepsOf(tensors, out, job);
  const ahead: { step: Step; result: Promise<CodedTensor | Uint8Array> }[] = [];
  /** Scales of the tensor under way: they follow its codes. */
  let scales: Uint32Array[] = [];
  const most = 2 * Math.max(1, job.pool.workers);
  for (;;) {
    while (ahead.length < most) {
      const { value: step, done } = steps.next();
      if (done) break;
      const result = start(step, job);
      result.catch(() => {}); // awaited below, unless an earlier one fails first
      ahead.push({ step, result });
    }
    const next = ahead.shift();
    if (!next) return;
    const { tensor, count, last, from } = next.step;
    let result: CodedTensor | Uint8Array;
    try {
      result = await next.result;
    } catch (error) {
      if (!(error instanceof QuantiseError)) throw error;
      const { message } = new QuantiseError(from + error.row);
      throw new Error(`Cannot convert tensor ${tensor.name}: ${message}`);
    }
    if (result instanceof Uint8Array) out.append(tensor.name, result);
    else {
      out.append(`${tensor.name}.${tensor.target}`, new Uint8Array(result.words.buffer));
      job.pool.recycle(result.words);
      scales.push(result.scales);
      if (last) {
        for (const part of scales) out.append(`${tensor.name}.scale_min`, new Uint8Array(part.buffer));
        scales = [];
      }
    }
    const rows = Math.max(1, tensor.shape[0] ?? 1);
    job.onBytes(count === 0 ? tensor.bytes : tensor.bytes * count / rows, tensor.name);
  }
}

/** Slabs of all tensors that are not complete. A tensor whose codes alone are there is done again by `prepare`. */
function* stepsOf(tensors: SourceTensor[], out: ResumableFile, job: FileJob): Generator<Step> {
  let planned = 0;
  for (const tensor of tensors) {
    planned += planOf(tensor).length;
    if (out.complete >= planned) {
      job.onBytes(tensor.bytes, tensor.name);
      continue;
    }
    const rows = tensor.shape[0] ?? 1;
    if (tensor.bytes === 0) continue;
    const each = tensor.slabRows ?? rows;
    for (let from = 0; from < rows; from += each) {
      const count = Math.min(each, rows - from);
      yield { tensor, from, count, last: from + count === rows };
    }
  }
}

function start({ tensor, from, count }: Step, { pool, rounding, importance }: FileJob) {
  const bits = bitsOfTarget(tensor.target);
  if (bits === null) return Promise.resolve(tensor.raw(from, count));
  const job: SlabJob = {
    input: tensor.slab(from, count),
    rows: count,
    k: tensor.shape[1],
    bits,
    rounding,
    importance: copyOf(importance(tensor.name)),
  };
  return pool.run(job);
}

const copyOf = (values: Float32Array | null): Float32Array<ArrayBuffer> | null =>
  values === null ? null : Float32Array.from(values);
