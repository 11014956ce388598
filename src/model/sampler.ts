/**
 * Drawing ids on the device: logits adjusted where a request asks for it, one id a row, log-probabilities where wanted,
 * and one small read-back a step that never makes the next step wait.
 */
import {
  MAX_DRAWS,
  MAX_LOGPROBS,
  MAX_STEPS_IN_FLIGHT,
  type Sampled,
  type SequenceStep,
} from "../families/family.ts";
import { GpuError } from "../gpu/device.ts";
import { adjustLogits, countDrawn, logitTiles, logprobs, sample, scatterWords } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { type Buf, pad, rowsOf, type Tensor, type Workspace } from "../gpu/tensor.ts";

/** Words of one row's result: id, its log-probability, 20 ids, their log-probabilities. */
const RESULT = 2 + 2 * MAX_LOGPROBS + 2;
const DRAW_WORDS = 8;
const ADJUST_WORDS = 8;
const NONE = 0xffffffff;

/** What one step's draw left to read. */
export interface Drawn {
  rows: { slot: number; tops: number | null }[];
  staging: Buf;
}

/** The draws of a batch: each step once for every token after which it draws, cut behind that token. */
export function drawRows(batch: SequenceStep[]): SequenceStep[] {
  return batch.flatMap((s) => {
    if (!s.sample) return [];
    const { ids, draws = 1 } = s;
    if (draws === 1 || !ids) return [s];
    if (draws > MAX_DRAWS || draws > ids.length) {
      throw new Error(`Cannot draw ${draws} ids for slot ${s.slot}`);
    }
    return Array.from(
      { length: draws },
      (_, i) => ({ ...s, ids: ids.subarray(0, ids.length - draws + 1 + i) }),
    );
  });
}

export class Sampler {
  /** Ids drawn last, by slot. */
  readonly drawn: Tensor;
  #counts: Tensor | null = null;
  /** For read-backs; more are made only for a caller that has more steps in flight than the engine. */
  readonly #free: Buf[];

  constructor(
    private readonly runtime: Runtime,
    private readonly vocab: number,
    private readonly slots: number,
    private readonly work: Workspace,
  ) {
    this.drawn = runtime.memory.tensor("drawn ids", 1, slots);
    this.#free = Array.from({ length: MAX_STEPS_IN_FLIGHT }, () => this.#staging());
  }

  #staging(): Buf {
    return this.runtime.memory.staging("ids", this.slots * MAX_DRAWS * RESULT * 4);
  }

  /** Draws for the rows that ask for it (`drawRows`); row i of logits belongs to the i-th of them. */
  draw(pass: Pass, logits: Tensor, steps: SequenceStep[]): Drawn {
    const { vocab, work } = this;
    const rows = steps.length;
    const results = work.get("results", 1, this.slots * MAX_DRAWS * RESULT);
    const draws = this.work.host("draws", drawsOf(steps));
    const shape = { rows, vocab, stride: logits.stride, result_stride: RESULT };
    drawIds(pass, work, this.#adjusted(pass, logits, steps), { draws, drawn: this.drawn, results }, shape);
    const tops = steps.map((s) => s.sample?.logprobs ?? null);
    if (tops.some((t) => t !== null)) {
      const wanted = this.work.host("tops", Uint32Array.from(tops, (t) => t ?? NONE));
      scoreIds(pass, work, logits, { draws, tops: wanted, results }, shape);
    }
    if (this.#counts && steps.some(isPenalised)) {
      const slots = this.work.host("counted", Uint32Array.from(steps, (s) => isPenalised(s) ? s.slot : NONE));
      pass.run(countDrawn, { results, slots, counts: this.#counts }, { rows, vocab, result_stride: RESULT });
    }
    const staging = this.#free.pop() ?? this.#staging();
    pass.copyTo(results, staging, rows * RESULT * 4);
    return { rows: steps.map((s, i) => ({ slot: s.slot, tops: tops[i] })), staging };
  }

  /** Resolves when the device has finished that step. */
  async read({ rows, staging }: Drawn): Promise<Sampled[]> {
    const size = pad(rows.length * RESULT * 4, 8);
    await staging.gpu.mapAsync(GPUMapMode.READ, 0, size);
    const { lost, error } = this.runtime.gpu;
    if (lost || error) {
      throw new GpuError(`Cannot read ids: ${lost ? `the device is lost (${lost})` : error}`);
    }
    const words = new Uint32Array(staging.gpu.getMappedRange(0, size).slice(0));
    staging.gpu.unmap();
    this.#free.push(staging);
    const floats = new Float32Array(words.buffer);
    return rows.map(({ slot, tops }, r) => {
      const at = r * RESULT;
      const id = words[at];
      if (tops === null) return { slot, id };
      const top = Array.from({ length: Math.min(tops, this.vocab) }, (_, i) => ({
        id: words[at + 2 + i],
        logprob: floats[at + 2 + MAX_LOGPROBS + i],
      }));
      return { slot, id, logprob: floats[at + 1], top };
    });
  }

  /** Penalties, bias and masks into a copy of the logits; the logits themselves where no row has any. */
  #adjusted(pass: Pass, logits: Tensor, steps: SequenceStep[]): Tensor {
    if (!steps.some((s) => s.sample?.adjust || s.mask)) return logits;
    const { vocab, work } = this;
    const counts = this.#counts ??= this.runtime.memory.tensor("token counts", this.slots, vocab);
    const table: Tensor = {
      ...counts,
      rows: 1,
      cols: counts.rows * counts.stride,
      stride: counts.rows * counts.stride,
    };
    const entries = steps.flatMap((s) => s.history ? historyOf(s.slot, s.history, vocab) : []);
    for (const s of steps) if (s.history) pass.clear(slotRow(counts, s.slot, vocab));
    this.#scatter(pass, "history", entries, table, 0);
    const maskWords = Math.ceil(vocab / 32);
    const masked = steps.filter((s) => s.mask);
    const masks = new Uint32Array(Math.max(1, masked.length * maskWords));
    masked.forEach((s, i) => masks.set(s.mask!.subarray(0, maskWords), i * maskWords));
    const out = work.get("adjusted logits", logits.rows, logits.cols);
    pass.run(adjustLogits, {
      logits,
      adjusts: this.work.host("adjusts", adjustsOf(steps, (s) => masked.indexOf(s) * maskWords)),
      counts: table,
      masks: this.work.host("masks", masks),
      out,
    }, { rows: steps.length, vocab, stride: logits.stride });
    const bias = steps.flatMap((s, r) =>
      (s.sample?.adjust?.bias ?? []).map((
        [id, value],
      ): [number, number] => [r * logits.stride + id, bitsOf(value)])
    );
    this.#scatter(pass, "bias", bias, {
      ...out,
      rows: 1,
      cols: out.rows * out.stride,
      stride: out.rows * out.stride,
    }, 1);
    return out;
  }

  #scatter(pass: Pass, label: string, entries: [number, number][], out: Tensor, MODE: 0 | 1): void {
    if (!entries.length) return;
    const data = this.work.host(label, Uint32Array.from(entries.flat()));
    pass.run(scatterWords, { entries: data, out }, { count: entries.length }, { MODE });
  }
}

interface DrawShape {
  rows: number;
  vocab: number;
  stride: number;
  result_stride: number;
}

/** One id a row, into `drawn` by slot and to the front of the row's results. */
export function drawIds(
  pass: Pass,
  work: Workspace,
  logits: Tensor,
  to: { draws: Tensor; drawn: Tensor; results: Tensor },
  shape: DrawShape,
): void {
  const { TILE, WG } = lanesOf(pass, shape.vocab, 128, true);
  const parts = logitParts(pass, work, logits, { draws: to.draws, tops: to.draws }, shape, 1);
  pass.run(sample, { logits, parts, ...to }, shape, { TILE, WG, HELD: 1024 / WG });
}

/** Log-probabilities of the ids at the front of the rows' results, and of the `tops` largest, behind them. */
export function scoreIds(
  pass: Pass,
  work: Workspace,
  logits: Tensor,
  { draws, tops, results }: { draws: Tensor; tops: Tensor; results: Tensor },
  shape: DrawShape,
): void {
  const parts = logitParts(pass, work, logits, { draws, tops }, shape, 0);
  pass.run(logprobs, { logits, tops, parts, results }, shape, lanesOf(pass, shape.vocab, 128, false));
}

/** Words of what is known of one tile of logits. */
const PART = 8;

/**
 * `WG` on cards. On CPU drivers one SIMD, as a barrier between several costs more than the work; more only where all of a
 * row falls to one workgroup, so that a lane's loops do not get too long (wgsl/parts/cut.wgsl).
 */
function lanesOf(pass: Pass, vocab: number, WG: number, whole: boolean): { TILE: number; WG: number } {
  const few = whole ? Math.max(8, 2 ** Math.ceil(Math.log2(vocab / 4096))) : 8;
  return { TILE: vocab > 16384 ? 512 : 128, WG: pass.runtime.profile.memory === "texture" ? few : WG };
}

function logitParts(
  pass: Pass,
  work: Workspace,
  logits: Tensor,
  rows: { draws: Tensor; tops: Tensor },
  { rows: count, vocab, stride }: DrawShape,
  DRAW: 0 | 1,
): Tensor {
  const lanes = lanesOf(pass, vocab, 64, false);
  const parts = work.get("logit parts", count, Math.ceil(vocab / lanes.TILE) * PART);
  pass.run(logitTiles, { logits, ...rows, parts }, { rows: count, vocab, stride: stride / 4 }, {
    ...lanes,
    DRAW,
  });
  return parts;
}

const isPenalised = ({ sample }: SequenceStep): boolean => {
  const a = sample?.adjust;
  return !!a && (a.repetitionPenalty !== 1 || a.frequencyPenalty !== 0 || a.presencePenalty !== 0);
};

/** A slot's counts [vocab]; rows are packed, not padded. */
const slotRow = (counts: Tensor, slot: number, vocab: number): Tensor => ({
  ...rowsOf(counts, 0, 1),
  offset: counts.offset + slot * vocab * 4,
  bytes: vocab * 4,
});

/** Occurrences in the answer, bit 31 for the prompt, as (place, word). */
function historyOf(
  slot: number,
  history: NonNullable<SequenceStep["history"]>,
  vocab: number,
): [number, number][] {
  const words = new Map<number, number>();
  for (const id of history.prompt) words.set(id, 0x80000000);
  for (const id of history.answer) words.set(id, (words.get(id) ?? 0) + 1);
  return [...words].map(([id, word]) => [slot * vocab + id, word >>> 0]);
}

function drawsOf(steps: SequenceStep[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(steps.length * DRAW_WORDS);
  const floats = new Float32Array(words.buffer);
  steps.forEach(({ slot, start, ids, sample }, r) => {
    if (!sample) throw new Error("Cannot draw for a step that does not sample");
    words.set([slot, sample.seed >>> 0, start + (ids?.length ?? 1), sample.topK], r * DRAW_WORDS);
    floats.set([sample.temperature, sample.topP, sample.minP, 0], r * DRAW_WORDS + 4);
  });
  return words;
}

function adjustsOf(steps: SequenceStep[], maskAt: (step: SequenceStep) => number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(steps.length * ADJUST_WORDS);
  const floats = new Float32Array(words.buffer);
  steps.forEach((s, r) => {
    const a = s.sample?.adjust;
    words.set([s.slot, s.mask ? maskAt(s) : NONE], r * ADJUST_WORDS);
    floats.set(
      [a?.repetitionPenalty ?? 1, a?.frequencyPenalty ?? 0, a?.presencePenalty ?? 0],
      r * ADJUST_WORDS + 2,
    );
    words[r * ADJUST_WORDS + 5] = isPenalised(s) ? 1 : 0;
  });
  return words;
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

function bitsOf(value: number): number {
  scratch[0] = value;
  return scratchBits[0];
}
