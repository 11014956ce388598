/**
 * The loop between scheduler and model. It never waits for an id before it submits the next step: steps go out in
 * groups of about `GROUP_MS` of device time, a group's ids come back by one read, and while they are on their way
 * the next group is submitted already. What an answer turns out not to need (its end was in the ids) is wasted.
 */

import { setImmediate } from "node:timers";
import {
  MAX_STEPS_IN_FLIGHT,
  type Model,
  type Sampled,
  type Sampling,
  type SequenceStep,
  type StepHandle,
} from "../families/family.ts";
import {
  EngineError,
  type EngineStats,
  type FinishReason,
  type GenerateParams,
  type GenerationEvent,
  type Score,
} from "./generation.ts";
import { DEFAULT_SCHEDULER_OPTIONS, type Plan, type PlanEntry, type SchedulerOptions } from "./plan.ts";
import { Scheduler } from "./scheduler.ts";
import { restoreCache, saveCache, type SavedCounts } from "./saved_cache.ts";
import { Constraints } from "./constraints.ts";
import type { Sequence } from "./sequence.ts";
import type { Prompt } from "../families/family.ts";

/** Device time of one group: more than the 10 ms that a read-back takes at least, little enough to stop soon. */
const GROUP_MS = 16;
/** Groups submitted and not read. */
const GROUPS_IN_FLIGHT = 2;
const MAX_GROUP = MAX_STEPS_IN_FLIGHT / GROUPS_IN_FLIGHT;

export interface EngineOptions extends SchedulerOptions {
  /** A request that got no place in this time fails. */
  maxWaitMs: number;
}

export const DEFAULT_ENGINE_OPTIONS: EngineOptions = { ...DEFAULT_SCHEDULER_OPTIONS, maxWaitMs: 60_000 };

/** Who hears of the requests' progress. */
export interface EngineListener {
  event(id: number, event: GenerationEvent): void;
  failed(id: number, error: EngineError): void;
  /** The device is gone: all requests have failed, and the engine takes no more. */
  lost(reason: string): void;
}

interface News {
  ids: number[];
  scores: Score[];
}

interface Group {
  plans: Plan[];
  sampled: Promise<Sampled[][]>;
  submitted: number;
}

export class Engine {
  readonly constraints = new Constraints();
  readonly #model: Model;
  readonly #scheduler: Scheduler;
  readonly #options: EngineOptions;
  readonly #listener: EngineListener;
  readonly #sequences = new Map<number, Sequence>();
  readonly #groups: Group[] = [];
  /** Estimated device time of a step that only decodes, ms. */
  #stepMs = 8;
  #lastRead = 0;
  #running = false;
  #wake: () => void = () => {};
  #lost: string | null = null;

  constructor(model: Model, listener: EngineListener, options: EngineOptions = DEFAULT_ENGINE_OPTIONS) {
    this.#model = model;
    this.#listener = listener;
    this.#options = options;
    this.#scheduler = new Scheduler(model.info, options);
    void model.whenLost?.then((reason) => this.#fail(reason));
  }

  /** Takes a request; its news go to the listener under `id`. Throws EngineError if it can't be taken. */
  submit(id: number, prompt: Prompt, params: GenerateParams): void {
    if (this.#lost !== null) throw new EngineError(`The device is lost: ${this.#lost}`, "device_lost");
    const sequence = this.#scheduler.add(id, prompt, params, performance.now());
    this.#sequences.set(id, sequence);
    this.#constrain(sequence);
    if (!this.#running) {
      this.#running = true;
      this.#run().catch((error) => this.#fail(String(error?.message ?? error)));
    }
  }

  /** Ends a request at once; nothing more is told of it. Unknown ids (it just ended) are fine. */
  abort(id: number): void {
    const sequence = this.#sequences.get(id);
    if (sequence !== undefined) this.#drop(sequence);
  }

  /** Nothing of it goes on. */
  #drop(sequence: Sequence): void {
    this.#sequences.delete(sequence.id);
    this.constraints.release(sequence);
    this.#scheduler.end(sequence);
  }

  #constrain(sequence: Sequence): void {
    try {
      this.constraints.attach(sequence, (possible) => {
        if (!possible && this.#sequences.has(sequence.id)) {
          this.#drop(sequence);
          this.#listener.failed(sequence.id, new EngineError("The grammar cannot go on", "internal"));
        }
        this.#wake();
      });
    } catch (error) {
      this.#drop(sequence);
      throw error;
    }
  }

  stats(): EngineStats {
    const { allocations, bytes } = this.#model.deviceMemory?.() ?? { allocations: 0, bytes: 0 };
    return { ...this.#scheduler.stats(), deviceAllocations: allocations, deviceBytes: bytes };
  }

  /** Writes the caches to a file. Rejects with what the file system or the device says. */
  saveCache(path: string, fingerprint: string): Promise<SavedCounts> {
    return saveCache(this.#model, this.#scheduler.memory, path, fingerprint);
  }

  /** Fills the caches from a file that fits; to be called before the first request. */
  restoreCache(path: string, fingerprint: string): SavedCounts {
    return restoreCache(this.#model, this.#scheduler.memory, path, fingerprint);
  }

  async #run(): Promise<void> {
    while (this.#scheduler.busy || this.#groups.length > 0) {
      this.#expire();
      const group = this.#groups.length < GROUPS_IN_FLIGHT ? this.#submitGroup() : false;
      // Messages (new requests, aborts) come in between groups.
      if (group && this.#groups.length < GROUPS_IN_FLIGHT) {
        await new Promise((resolve) => setImmediate(resolve));
      } else if (this.#groups.length > 0) this.#process(this.#groups[0], await this.#groups[0].sampled);
      else if (this.#scheduler.busy) await this.#pause();
    }
    this.#running = false;
  }

  /** Until a mask comes, or a little. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 5);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Submits the next few steps. False: there is nothing to submit now. */
  #submitGroup(): boolean {
    const size = Math.min(MAX_GROUP, Math.max(1, Math.round(GROUP_MS / this.#stepMs)));
    const plans: Plan[] = [], handles: StepHandle[] = [];
    const submitted = performance.now();
    while (plans.length < size) {
      const plan = this.#scheduler.plan();
      if (plan.entries.length === 0) break;
      for (const { feature, row } of plan.encode) this.#model.encodeMedia(feature, row);
      handles.push(this.#model.step(plan.entries.map((entry) => this.#step(entry))));
      plans.push(plan);
      if (plan.prefill) break; // long, and its first id is awaited
    }
    if (plans.length === 0) return false;
    const sampled = this.#model.read(handles);
    sampled.catch(() => {}); // awaited later
    this.#groups.push({ plans, sampled, submitted });
    return true;
  }

  #step(
    { sequence, start, count, fromSlot, samples, first, mediaRows, mask, guess }: PlanEntry,
  ): SequenceStep {
    const { blockSize, positionAxes } = this.#model.info;
    return {
      slot: sequence.slot,
      ids: fromSlot
        ? null
        : Uint32Array.from([...sequence.ids.slice(start, start + count - guess.length), ...guess]),
      start,
      positions: sequence.positions(start, count, positionAxes),
      mediaRows,
      blocks: Uint32Array.from(sequence.blocks.slice(0, Math.ceil((start + count) / blockSize))),
      sample: samples ? sequence.params.sampling : null,
      ...(guess.length === 0 ? {} : { draws: count }),
      ...(mask === undefined ? {} : { mask }),
      ...(first && penalizes(sequence.params.sampling) ? { history: historyOf(sequence) } : {}),
    };
  }

  /** Takes in what the oldest group sampled. */
  #process(group: Group, sampled: Sampled[][]): void {
    this.#groups.shift();
    const now = performance.now();
    if (group.plans.every((plan) => !plan.prefill)) {
      const took = (now - Math.max(group.submitted, this.#lastRead)) / group.plans.length;
      this.#stepMs += 0.3 * (Math.max(took, 0.05) - this.#stepMs);
    }
    this.#lastRead = now;
    const news = new Map<Sequence, News>();
    group.plans.forEach((plan, step) => {
      const drawn = sampled[step][Symbol.iterator]();
      for (const entry of plan.entries) {
        const { sequence } = entry;
        const right = entry.samples ? checked(drawn, entry.guess) : [];
        const end = right.findIndex(({ id }, i) => this.#stopsAt(sequence, id, i));
        const kept = end < 0 ? right : right.slice(0, end);
        this.#scheduler.finishEntry(entry, kept.map(({ id }) => id));
        if (right.length === 0 || !this.#sequences.has(sequence.id)) continue;
        const own = news.get(sequence) ?? { ids: [], scores: [] };
        news.set(sequence, own);
        for (const { id, logprob, top = [] } of kept) {
          own.ids.push(id);
          if (logprob !== undefined) own.scores.push({ logprob, top });
          this.constraints.accept(sequence, id);
        }
        const full = sequence.ids.length - sequence.promptLength >= sequence.maxTokens;
        if (end >= 0) this.#finish(sequence, own, "stop", right[end].id);
        else if (full) this.#finish(sequence, own, "length", null);
      }
    });
    for (const [sequence, own] of news) {
      if (this.#sequences.has(sequence.id)) this.#tell(sequence, own, null, null);
    }
  }

  /** @param more ids of the answer before this one that the sequence does not have yet */
  #stopsAt({ params, ids, promptLength }: Sequence, id: number, more: number): boolean {
    return params.stopIds.includes(id) && ids.length + more - promptLength >= params.minTokens;
  }

  #finish(sequence: Sequence, news: News, reason: FinishReason, stopId: number | null): void {
    this.#drop(sequence);
    this.#tell(sequence, news, reason, stopId);
  }

  #tell(sequence: Sequence, { ids, scores }: News, finish: FinishReason | null, stopId: number | null): void {
    const { cachedTokens } = sequence;
    this.#listener.event(sequence.id, {
      ids,
      ...(scores.length > 0 ? { scores } : {}),
      cachedTokens,
      finish,
      stopId,
    });
  }

  /** Fails what has waited too long. */
  #expire(): void {
    const before = performance.now() - this.#options.maxWaitMs;
    for (const sequence of [...this.#scheduler.queue]) {
      if (sequence.since >= before) continue;
      this.#drop(sequence);
      this.#listener.failed(
        sequence.id,
        new EngineError("The request waited too long for a place", "queue_timeout"),
      );
    }
  }

  /** The model failed: so do all requests. */
  #fail(reason: string): void {
    if (this.#lost !== null) return;
    this.#lost = reason;
    this.#running = false;
    const error = new EngineError(`The device is lost: ${reason}`, "device_lost");
    for (const id of this.#sequences.keys()) this.#listener.failed(id, error);
    this.#sequences.clear();
    this.constraints.end();
    this.#groups.length = 0;
    this.#listener.lost(reason);
  }
}

/** Takes an entry's draws; those that count: up to the first that is not the id guessed there. */
function checked(drawn: Iterator<Sampled>, guess: readonly number[]): Sampled[] {
  const all: Sampled[] = [];
  for (let i = 0; i <= guess.length; i++) {
    const { value, done } = drawn.next();
    if (!done) all.push(value);
  }
  const wrong = guess.findIndex((id, i) => all[i]?.id !== id);
  return wrong < 0 ? all : all.slice(0, wrong + 1);
}

/** The device must know what was said so far. */
function penalizes({ adjust }: Sampling): boolean {
  return adjust !== undefined &&
    (adjust.repetitionPenalty !== 1 || adjust.frequencyPenalty !== 0 || adjust.presencePenalty !== 0);
}

function historyOf({ ids, promptLength }: Sequence): SequenceStep["history"] {
  return {
    prompt: Uint32Array.from(ids.slice(0, promptLength)),
    answer: Uint32Array.from(ids.slice(promptLength)),
  };
}
