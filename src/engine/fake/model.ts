/**
 * A model without a GPU: the same interface and the same queueing of work, scripted answers. Its "KV cache" holds
 * what was written to each row, and an id is drawn from what the block table leads to, so that a wrong block,
 * position, media row or slot shows in the answer.
 */

import type {
  MediaFeature,
  Model,
  ModelInfo,
  Sampled,
  Sampling,
  SequenceStep,
  StepHandle,
} from "../../families/family.ts";
import { type Reply, replyTo } from "./script.ts";
import { CONTROL, encodeText, VOCABULARY_SIZE } from "./vocabulary.ts";

export interface FakeOptions extends Partial<ModelInfo> {
  /** Device time of a step, of a prompt token and of a media token, ms. */
  stepMs?: number;
  promptTokenMs?: number;
  mediaTokenMs?: number;
  /** Time that a read-back takes at least, ms. */
  readMs?: number;
  /** Every read-back blocks the thread for so long, as Deno's WebGPU does. */
  blockMs?: number;
  /** `script` (default), or `hash`: every id depends on every row before it. */
  answers?: "script" | "hash";
  /** The device is lost at this step. */
  loseAtStep?: number;
}

/** What one KV row was computed from. */
interface Row {
  id: number;
  /** The id, or the media store's value (below −1). */
  value: number;
  /** All rotary positions of the token, joined. */
  position: string;
}

const DEFAULTS: ModelInfo = {
  family: "fake",
  vocabSize: VOCABULARY_SIZE,
  hiddenSize: 1,
  positionAxes: 3,
  maxContext: 8192,
  eosIds: [CONTROL.imEnd],
  modalities: ["image", "video", "audio"],
  numBlocks: 2048,
  blockSize: 16,
  maxSequences: 8,
  maxBatchTokens: 512,
  mediaRows: 8192,
  device: "fake",
};

export class FakeModel implements Model {
  readonly info: ModelInfo;
  readonly #options: FakeOptions;
  readonly #rows: (Row | undefined)[];
  readonly #media: Float64Array;
  readonly #slots: Int32Array;
  readonly #results = new Map<number, { sampled: Sampled[]; doneAt: number }>();
  readonly #replies = new Map<string, Reply>();
  #steps = 0;
  /** When the simulated device will have done all that is queued. */
  #busyUntil = 0;
  #lost = false;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    const given = Object.entries(options).filter(([key, value]) => key in DEFAULTS && value !== undefined);
    this.info = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.#rows = new Array(this.info.numBlocks * this.info.blockSize);
    this.#media = new Float64Array(this.info.mediaRows);
    this.#slots = new Int32Array(this.info.maxSequences).fill(-1);
  }

  encodeMedia(feature: MediaFeature, row: number): void {
    if (row < 0 || row + feature.tokens > this.info.mediaRows) {
      throw new Error(`Cannot encode: no row ${row}`);
    }
    const start = parseInt(feature.digest.slice(0, 10), 16);
    for (let i = 0; i < feature.tokens; i++) this.#media[row + i] = -2 - (start + i);
    this.#queue(feature.tokens * (this.#options.mediaTokenMs ?? 0));
  }

  step(batch: SequenceStep[]): StepHandle {
    const { stepMs = 2, promptTokenMs = 0.01, loseAtStep } = this.#options;
    if (++this.#steps === loseAtStep) this.#lost = true;
    if (this.#lost) throw new Error("the fake device was lost");
    const tokens = batch.reduce((sum, entry) => sum + (entry.ids?.length ?? 1), 0);
    if (batch.length === 0 || batch.length > this.info.maxSequences || tokens > this.info.maxBatchTokens) {
      throw new Error(`Cannot run a step of ${batch.length} sequences and ${tokens} tokens`);
    }
    const sampled: Sampled[] = [];
    let slow = false;
    for (const entry of batch) {
      const length = this.#write(entry);
      if (entry.sample === null) continue;
      for (let behind = (entry.draws ?? 1) - 1; behind >= 0; behind--) {
        const drawn = this.#draw(entry, length - behind);
        slow ||= drawn.slow;
        const id = allowed(biased(drawn.id, entry.sample), entry.mask);
        this.#slots[entry.slot] = id;
        sampled.push({ slot: entry.slot, id, ...scoresOf(id, entry.sample) });
      }
    }
    this.#queue(slow ? 40 : stepMs + promptTokenMs * tokens);
    this.#results.set(this.#steps, { sampled, doneAt: this.#busyUntil });
    return { id: this.#steps };
  }

  async read(steps: readonly StepHandle[]): Promise<Sampled[][]> {
    const results = steps.map(({ id }) => {
      const result = this.#results.get(id);
      if (result === undefined) throw new Error(`Cannot read step ${id}: it was read or never run`);
      this.#results.delete(id);
      return result;
    });
    const { blockMs = 0 } = this.#options, blockedTill = performance.now() + blockMs;
    while (blockMs > 0 && performance.now() < blockedTill);
    const wait = Math.max(this.#options.readMs ?? 0, results.at(-1)!.doneAt - performance.now());
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#lost) throw new Error("the fake device was lost");
    return results.map((result) => result.sampled);
  }

  readBlocks(blocks: Uint32Array): Promise<Uint8Array[]> {
    const { blockSize } = this.info;
    const rowsOf = (block: number) => this.#rows.slice(block * blockSize, (block + 1) * blockSize);
    return Promise.resolve(
      Array.from(blocks, (block) => new TextEncoder().encode(JSON.stringify(rowsOf(block)))),
    );
  }

  writeBlocks(blocks: Uint32Array, data: readonly Uint8Array[]): void {
    const { blockSize } = this.info;
    blocks.forEach((block, i) => {
      const rows: (Row | null)[] = JSON.parse(new TextDecoder().decode(data[i]));
      rows.forEach((row, j) => this.#rows[block * blockSize + j] = row ?? undefined);
    });
  }

  readMedia(row: number, count: number): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#media.slice(row, row + count).buffer));
  }

  writeMedia(row: number, count: number, data: Uint8Array): void {
    this.#media.set(new Float64Array(data.slice().buffer, 0, count), row);
  }

  destroy(): void {
    this.#lost = true;
  }

  #queue(ms: number): void {
    this.#busyUntil = Math.max(this.#busyUntil, performance.now()) + ms;
  }

  /** Fills the entry's KV rows; tells how many the sequence has now. */
  #write({ slot, ids, start, positions, mediaRows, blocks }: SequenceStep): number {
    const { blockSize, positionAxes } = this.info;
    const tokens = ids ?? [this.#slots[slot]], count = tokens.length;
    if (blocks.length < Math.ceil((start + count) / blockSize)) {
      throw new Error("Cannot run: block table too short");
    }
    for (let i = 0; i < count; i++) {
      const at = start + i, media = mediaRows?.[i] ?? -1;
      const axes = Array.from({ length: positionAxes }, (_, axis) => positions[axis * count + i]);
      this.#rows[blocks[Math.floor(at / blockSize)] * blockSize + at % blockSize] = {
        id: tokens[i],
        value: media >= 0 ? this.#media[media] : tokens[i],
        position: axes.join(),
      };
      if (tokens[i] < 0 || tokens[i] >= this.info.vocabSize) throw new Error(`Cannot run: id ${tokens[i]}`);
    }
    return start + count;
  }

  #draw({ blocks, sample }: SequenceStep, length: number): { id: number; slow: boolean } {
    const { blockSize } = this.info;
    const rows = Array.from(
      { length },
      (_, i) => this.#rows[blocks[Math.floor(i / blockSize)] * blockSize + i % blockSize],
    );
    if (this.#options.answers === "hash") {
      return { id: hashOf(rows, sample!.temperature > 0 ? sample!.seed : 0), slow: false };
    }
    const values = rows.map((row) => row?.id ?? -1);
    for (let at = length - OPENED.length; at >= 0; at--) {
      if (values[at] !== OPENED[0] || !OPENED.every((id, i) => values[at + i] === id)) continue;
      const end = at + OPENED.length;
      const { ids, endless, slow } = this.#reply(values, end);
      const next = length - end;
      return { id: endless ? ids[next % ids.length] : ids[next] ?? CONTROL.imEnd, slow };
    }
    return { id: CONTROL.imEnd, slow: false };
  }

  /** The script's reply to the first `end` ids; remembered by their hash, as it is asked for at each token. */
  #reply(values: number[], end: number): Reply {
    let low = 2166136261, high = end;
    for (let i = 0; i < end; i++) {
      low = Math.imul(low ^ values[i], 16777619);
      high = Math.imul(high ^ values[i], 0x5bd1e995) + (low >>> 24);
    }
    const key = `${low},${high}`;
    let reply = this.#replies.get(key);
    if (reply === undefined) {
      if (this.#replies.size >= 256) this.#replies.clear();
      this.#replies.set(key, reply = replyTo(values.slice(0, end)));
    }
    return reply;
  }
}

const OPENED = [CONTROL.imStart, ...encodeText("assistant\n")];

/** A bias of 100 makes sure of an id, one of −100 rules it out. */
function biased(id: number, { adjust }: Sampling): number {
  const bias = new Map(adjust?.bias ?? []);
  for (const [sure, value] of bias) if (value >= 100) return sure;
  while ((bias.get(id) ?? 0) <= -100) id = (id + 1) % 256;
  return id;
}

/** What a mask rules out gives way to what ends an answer soonest. */
function allowed(id: number, mask: Uint32Array | undefined): number {
  if (mask === undefined) return id;
  const may = (other: number) => (mask[other >>> 5] >>> (other & 31) & 1) === 1;
  if (may(id)) return id;
  const sooner = [CONTROL.imEnd, ...encodeText('"}]<0 ')].find(may);
  if (sooner !== undefined) return sooner;
  for (let other = 0; other < mask.length * 32; other++) if (may(other)) return other;
  throw new Error("Cannot draw: the mask allows nothing");
}

/** The drawn id is sure; the others follow it in the vocabulary. */
function scoresOf(id: number, { logprobs }: Sampling): Partial<Sampled> {
  if (logprobs === undefined) return {};
  const top = Array.from(
    { length: logprobs },
    (_, i) => ({ id: i === 0 ? id : (id + i) % 256, logprob: 0 - i }),
  );
  return { logprob: 0, top };
}

/** FNV-1a over everything in the rows, as a byte that is printable. */
function hashOf(rows: (Row | undefined)[], seed: number): number {
  let hash = 2166136261 ^ seed;
  for (const row of rows) {
    const text = row === undefined ? "?" : `${row.value}@${row.position}`;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  }
  hash = (hash ^ (hash >>> 15)) >>> 0;
  return hash % 97 === 0 ? CONTROL.imEnd : 32 + hash % 95;
}
