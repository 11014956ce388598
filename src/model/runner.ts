/**
 * Executes engine steps on a text trunk: packs the batch's rows into one upload, runs the trunk, samples on the
 * device, and reads ids back without ever making the next step wait.
 */
import type { Sampled, SequenceStep, StepHandle } from "../families/family.ts";
import { sample } from "../gpu/kernels.ts";
import { readTensors, type Runtime, type Tap } from "../gpu/pass.ts";
import { GpuError } from "../gpu/device.ts";
import { type Buf, pad, type Tensor, type Workspace } from "../gpu/tensor.ts";
import type { KvPrecision } from "./attention.ts";
import { createKvCache, type KvCache } from "./kv_cache.ts";
import { fillAngles, type RopeSpec } from "./rope.ts";
import type { RowData, TextTrunk } from "./text_trunk.ts";

export interface RunnerOptions {
  blocks: number;
  blockSize: number;
  kvPrecision: KvPrecision;
  maxSequences: number;
  maxBatchTokens: number;
}

interface Pending extends StepHandle {
  slots: number[];
  staging: Buf | null;
}

const FROM_SLOT = 0x80000000;
const NO_ROW = 0xffffffff;
const DRAW_WORDS = 8;

export class TextRunner {
  readonly cache: KvCache;
  #meta: Buf;
  #drawn: Tensor;
  #free: Buf[] = [];
  #next = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly trunk: TextTrunk,
    private readonly rope: RopeSpec,
    private readonly media: { store: Tensor; taps: Tensor[] },
    private readonly options: RunnerOptions,
    private readonly work: Workspace,
  ) {
    const { layers, kvHeads, headDim } = trunk.config;
    this.cache = createKvCache(runtime, {
      layers,
      kvHeads,
      dim: headDim,
      blocks: options.blocks,
      blockSize: options.blockSize,
      precision: options.kvPrecision,
    });
    this.#meta = runtime.memory.buffer("step data", 1 << 16);
    this.#drawn = runtime.memory.tensor("drawn ids", 1, options.maxSequences);
  }

  /** Encodes and submits one step. Rows: every sequence's tokens in batch order. */
  step(batch: SequenceStep[], tap?: Tap): StepHandle {
    const { runtime, work } = this;
    if (work.collect()) runtime.forgetGroups();
    const { data, draws, sampled } = this.#pack(batch);
    const pass = runtime.begin("step", { tap });
    const logits = this.trunk.forward(pass, data, this.cache, this.#drawn, this.media.store, this.media.taps);
    let staging: Buf | null = null;
    if (logits && draws) {
      const ids = work.get("ids", 1, sampled.length);
      pass.run(sample, { logits, draws, drawn: this.#drawn, ids }, {
        rows: sampled.length,
        vocab: this.trunk.config.vocabSize,
        stride: logits.stride,
      });
      staging = this.#free.pop() ?? runtime.memory.staging("ids", pad(this.options.maxSequences * 4, 16));
      pass.copyTo(ids, staging, sampled.length * 4);
    }
    pass.submit();
    const handle: Pending = { id: this.#next++, slots: sampled.map((i) => batch[i].slot), staging };
    return handle;
  }

  /** One read-back for a group of steps. */
  async read(steps: readonly StepHandle[]): Promise<Sampled[][]> {
    return await Promise.all((steps as readonly Pending[]).map(async ({ slots, staging }) => {
      if (!staging) return [];
      const size = pad(slots.length * 4, 8);
      await staging.gpu.mapAsync(GPUMapMode.READ, 0, size);
      const { lost, error } = this.runtime.gpu;
      if (lost || error) {
        throw new GpuError(`Cannot read ids: ${lost ? `the device is lost (${lost})` : error}`);
      }
      const ids = new Uint32Array(staging.gpu.getMappedRange(0, size).slice(0));
      staging.gpu.unmap();
      this.#free.push(staging);
      return slots.map((slot, i) => ({ slot, id: ids[i] }));
    }));
  }

  /** Logits [rows · vocab] of finally normed hidden states (golden runs). */
  async logitsOf(normed: Tensor): Promise<Float32Array> {
    const pass = this.runtime.begin("logits");
    const logits = this.trunk.logits(pass, normed);
    pass.submit();
    return (await readTensors(this.runtime, [logits]))[0];
  }

  /** The step's host data in one buffer, every part at an aligned offset. */
  #pack(batch: SequenceStep[]): { data: RowData; draws: Tensor | null; sampled: number[] } {
    const { blockSize } = this.options;
    const half = this.rope.frequencies.length;
    const counts = batch.map((s) => s.ids?.length ?? 1);
    const rows = counts.reduce((a, b) => a + b, 0);
    const sampled = batch.flatMap((s, i) => s.sample ? [i] : []);
    const hasMedia = batch.some((s) => s.mediaRows);
    const tableSize = batch.reduce((a, s) => a + s.blocks.length, 0);
    const parts = new Layout(this.runtime.gpu.limits.storageAlignment);
    const token = parts.add(rows);
    const media = parts.add(rows);
    const angles = parts.add(rows * half * 2);
    const place = parts.add(rows * 4);
    const tables = parts.add(2 ** Math.ceil(Math.log2(Math.max(64, tableSize))));
    const deepstack = parts.add(hasMedia ? rows : 0);
    const wanted = parts.add(sampled.length);
    const draws = parts.add(sampled.length * DRAW_WORDS);
    const words = new Uint32Array(parts.size / 4);
    const floats = new Float32Array(words.buffer);

    let row = 0;
    let table = 0;
    let draw = 0;
    batch.forEach((s, i) => {
      const count = counts[i];
      const needed = Math.ceil((s.start + count) / blockSize);
      if (s.blocks.length < needed) {
        throw new Error(`Cannot run slot ${s.slot}: ${s.blocks.length} blocks, needs ${needed}`);
      }
      words.set(s.blocks, tables.at + table);
      fillAngles(this.rope, s.positions, count, floats, angles.at + row * half * 2);
      for (let j = 0; j < count; j++, row++) {
        const index = s.start + j;
        words[token.at + row] = s.ids ? s.ids[j] : FROM_SLOT + s.slot;
        const own = s.blocks[Math.floor(index / blockSize)] * blockSize + index % blockSize;
        words.set([table, index + 1, own, 0], place.at + 4 * row);
        if (hasMedia) {
          const from = s.mediaRows?.[j] ?? -1;
          words[media.at + row] = from + 1;
          words[deepstack.at + row] = from < 0 ? NO_ROW : from;
        }
      }
      if (s.sample) {
        words[wanted.at + draw] = row - 1;
        const at = draws.at + draw * DRAW_WORDS;
        words.set([s.slot, s.sample.seed >>> 0, s.start + count, s.sample.topK], at);
        floats.set([s.sample.temperature, s.sample.topP, s.sample.minP, 0], at + 4);
        draw++;
      }
      table += s.blocks.length;
    });

    const buf = this.#upload(words);
    const view = (p: { at: number; length: number }): Tensor => {
      const cols = Math.max(4, p.length);
      return { buf, offset: p.at * 4, rows: 1, cols, stride: cols };
    };
    return {
      data: {
        rows,
        token: view(token),
        media: view(media),
        angles: view(angles),
        place: view(place),
        decodeKeys: counts.every((c) => c === 1) ? Math.max(...batch.map((s) => s.start + 1)) : 0,
        tables: view(tables),
        deepstack: hasMedia ? { ...view(deepstack), rows: 1 } : null,
        wanted: sampled.length ? view(wanted) : null,
        wantedRows: sampled.length,
      },
      draws: sampled.length ? view(draws) : null,
      sampled,
    };
  }

  #upload(words: Uint32Array): Buf {
    const { memory } = this.runtime;
    if (words.byteLength > this.#meta.size) {
      this.work.retire(this.#meta);
      this.#meta = memory.buffer("step data", 2 ** Math.ceil(Math.log2(words.byteLength)));
    }
    memory.write(this.#meta, 0, words);
    return this.#meta;
  }
}

/** Parts of one upload, each aligned for binding; `at` and `length` in 32-bit words. */
class Layout {
  size = 0;

  constructor(private readonly alignment: number) {}

  add(length: number): { at: number; length: number } {
    const part = { at: this.size / 4, length };
    this.size = pad(this.size + Math.max(4, length) * 4, this.alignment);
    return part;
  }
}
