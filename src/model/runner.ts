/**
 * Executes engine steps on a text trunk: packs the batch's rows into one upload, runs the trunk, samples on the
 * device, and reads ids back without ever making the next step wait.
 */
import type { Sampled, SequenceStep, StepHandle } from "../families/family.ts";
import { GpuError } from "../gpu/device.ts";
import type { Pass, Tap } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { readTensors } from "../gpu/readback.ts";
import { pad, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { type KvPrecision, SPLIT_KEYS, tilesOf } from "./attention.ts";
import { blockRanges, createKvCache, type KvCache } from "./kv_cache.ts";
import { fillAngles, type RopeSpec } from "./rope.ts";
import { type DeviceRange, readRanges, writeRanges } from "./transfer.ts";
import { type Drawn, drawRows, Sampler } from "./sampler.ts";
import type { RowData, TextTrunk } from "./text_trunk.ts";

export interface RunnerOptions {
  blocks: number;
  blockSize: number;
  kvPrecision: KvPrecision;
  maxSequences: number;
  maxBatchTokens: number;
}

interface Pending extends StepHandle {
  drawn: Drawn | null;
}

const FROM_SLOT = 0x80000000;
const NO_ROW = 0xffffffff;

export class TextRunner {
  readonly cache: KvCache;
  readonly #sampler: Sampler;
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
    this.#sampler = new Sampler(runtime, trunk.config.vocabSize, options.maxSequences, work);
  }

  /** Encodes and submits one step. Rows: every sequence's tokens in batch order. */
  step(batch: SequenceStep[], tap?: Tap): StepHandle {
    const { runtime, work } = this;
    if (work.collect()) runtime.forgetGroups();
    const sampling = drawRows(batch);
    const data = this.#pack(batch);
    const pass = runtime.begin("step", { tap });
    const logits = this.#forward(pass, data);
    const drawn = logits ? this.#sampler.draw(pass, logits, sampling) : null;
    pass.submit();
    const handle: Pending = { id: this.#next++, drawn };
    return handle;
  }

  /** Steps that only decode differ in nothing but the host's data: their dispatches are recorded once. */
  #forward(pass: Pass, data: RowData): Tensor | null {
    const { store, taps } = this.media;
    const run = () => this.trunk.forward(pass, data, this.cache, this.#sampler.drawn, store, taps);
    if (!data.decodeKeys) return run();
    const { rows, wantedRows, tables, decodeKeys } = data;
    return pass.taped(`decode ${rows} ${wantedRows} ${tables.cols} ${decodeKeys}`, run);
  }

  /** One read-back for a group of steps. */
  async read(steps: readonly StepHandle[]): Promise<Sampled[][]> {
    return await Promise.all(
      (steps as readonly Pending[]).map(({ drawn }) => drawn ? this.#sampler.read(drawn) : this.#finished()),
    );
  }

  /** A step that drew nothing is read too: the engine paces itself, and commits cache blocks, by what has run. */
  async #finished(): Promise<[]> {
    await this.runtime.gpu.queue.onSubmittedWorkDone();
    const { lost } = this.runtime.gpu;
    if (lost) throw new GpuError(`Cannot go on: the device is lost (${lost})`);
    return [];
  }

  /** See Model.readBlocks. */
  async readBlocks(blocks: Uint32Array): Promise<Uint8Array[]> {
    const size = 2 * this.cache.layers.length * this.cache.blockBytes;
    const all = await readRanges(this.runtime, [...blocks].flatMap((b) => blockRanges(this.cache, b)));
    return Array.from(blocks, (_, i) => all.slice(i * size, (i + 1) * size));
  }

  /** See Model.writeBlocks. */
  writeBlocks(blocks: Uint32Array, data: readonly Uint8Array[]): void {
    if (blocks.length !== data.length) {
      throw new Error(`Cannot restore ${data.length} blocks into ${blocks.length}`);
    }
    blocks.forEach((b, i) => writeRanges(this.runtime, blockRanges(this.cache, b), data[i]));
  }

  #mediaRanges(row: number, count: number): DeviceRange[] {
    const { store, taps } = this.media;
    if (row + count > store.rows) {
      throw new Error(`Cannot transfer media rows ${row} to ${row + count}: there are ${store.rows}`);
    }
    return [store, ...taps].map((t) => ({ of: t, offset: row * t.stride * 4, size: count * t.stride * 4 }));
  }

  readMedia(row: number, count: number): Promise<Uint8Array> {
    return readRanges(this.runtime, this.#mediaRanges(row, count));
  }

  writeMedia(row: number, count: number, data: Uint8Array): void {
    writeRanges(this.runtime, this.#mediaRanges(row, count), data);
  }

  /** Logits [rows · vocab] of finally normed hidden states (golden runs). */
  async logitsOf(normed: Tensor): Promise<Float32Array> {
    const pass = this.runtime.begin("logits");
    const logits = this.trunk.logits(pass, normed);
    pass.submit();
    return (await readTensors(this.runtime, [logits]))[0];
  }

  /** The step's host data in one buffer, every part at an aligned offset. */
  #pack(batch: SequenceStep[]): RowData {
    const { blockSize } = this.options;
    const half = this.rope.frequencies.length;
    const counts = batch.map((s) => s.ids?.length ?? 1);
    const rows = counts.reduce((a, b) => a + b, 0);
    const sampled = batch.reduce((a, s) => a + (s.sample ? s.draws ?? 1 : 0), 0);
    const hasMedia = batch.some((s) => s.mediaRows);
    const tableSize = batch.reduce((a, s) => a + s.blocks.length, 0);
    const parts = new Layout(this.runtime.gpu.limits.storageAlignment);
    const token = parts.add(rows);
    const media = parts.add(rows);
    const angles = parts.add(rows * half * 2);
    const place = parts.add(rows * 4);
    const tables = parts.add(2 ** Math.ceil(Math.log2(Math.max(64, tableSize))));
    const tileWords = tilesOf(counts);
    const tiles = parts.add(tileWords.length);
    const deepstack = parts.add(hasMedia ? rows : 0);
    const wanted = parts.add(sampled);
    const words = new Uint32Array(parts.size / 4);
    const floats = new Float32Array(words.buffer);

    words.set(tileWords, tiles.at);
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
      for (let last = s.sample ? s.draws ?? 1 : 0; last > 0; last--) words[wanted.at + draw++] = row - last;
      table += s.blocks.length;
    });

    const { buf } = this.work.host("step data", words);
    const view = (p: { at: number; length: number }): Tensor => {
      const cols = Math.max(4, p.length);
      return { buf, offset: p.at * 4, rows: 1, cols, stride: cols };
    };
    return {
      rows,
      token: view(token),
      media: view(media),
      angles: view(angles),
      place: view(place),
      tables: view(tables),
      tiles: {
        ...view(tiles),
        rows: tileWords.length / 2,
        cols: 2,
        stride: 2,
        bytes: Math.max(16, tileWords.byteLength),
      },
      decodeKeys: counts.every((c) => c === 1) && !hasMedia
        ? pad(Math.max(...batch.map((s) => s.start + 1)), SPLIT_KEYS)
        : 0,
      deepstack: hasMedia ? view(deepstack) : null,
      wanted: sampled ? view(wanted) : null,
      wantedRows: sampled,
    };
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
