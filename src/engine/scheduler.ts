/**
 * Chooses what each step computes. Pure bookkeeping, no device.
 *
 * A step takes one token of every sequence that decodes, then prompt chunks of those already admitted, then
 * admits waiting ones while slots and blocks last. A sequence that needs a block when none is left takes it from
 * the one admitted last, of those in the background first, which is computed again later (its finished blocks may
 * still be in the prefix cache).
 * The device runs steps in order, so a step may rest on the results of one that has not been read.
 */

import { MAX_DRAWS, type ModelInfo, type Prompt } from "../families/family.ts";
import { admissible } from "./admission.ts";
import { EngineError, type EngineStats, type GenerateParams } from "./generation.ts";
import { PromptLookup } from "./lookup.ts";
import { Memory } from "./memory.ts";
import { DEFAULT_SCHEDULER_OPTIONS, type Plan, type PlanEntry, type SchedulerOptions } from "./plan.ts";
import { Sequence } from "./sequence.ts";
import { WaitingQueue } from "./waiting_queue.ts";

export class Scheduler {
  readonly memory: Memory;
  readonly queue = new WaitingQueue();
  /** In order of admission. */
  readonly running: Sequence[] = [];
  readonly draining = new Set<Sequence>();
  #arrivals = 0;
  readonly #counters = {
    steps: 0,
    promptTokens: 0,
    cachedTokens: 0,
    generatedTokens: 0,
    preemptions: 0,
    guessedTokens: 0,
    rightGuesses: 0,
  };

  constructor(readonly info: ModelInfo, readonly options: SchedulerOptions = DEFAULT_SCHEDULER_OPTIONS) {
    this.memory = new Memory(info, options.prefixCache);
  }

  /** Puts a request in the queue. Throws EngineError if it can never run, or the queue is full. */
  add(id: number, prompt: Prompt, params: GenerateParams, now: number): Sequence {
    const maxTokens = admissible(prompt, params, this.info);
    const { maxWaiting, maxWaitingPerKey } = this.options;
    // Those that have a place soon do not count as waiting.
    const places = this.info.maxSequences - this.running.length;
    if (
      this.queue.size >= maxWaiting + places || this.queue.countOf(params.key) >= maxWaitingPerKey + places
    ) {
      throw new EngineError(`The queue is full: ${this.queue.size} requests wait`, "full");
    }
    const sequence = new Sequence(id, prompt, params, maxTokens, this.#arrivals++, now);
    const { adjust } = params.sampling;
    // Penalties and constraints of an id depend on those before it, which a check of several at once does not know.
    const free = adjust === undefined && params.grammar === undefined && !params.thought;
    if (this.options.speculate > 0 && free) sequence.lookup = new PromptLookup();
    this.queue.push(sequence);
    return sequence;
  }

  /** There is something to compute or to wait for. */
  get busy(): boolean {
    const { queue, running, draining } = this;
    return queue.size + queue.preempted.length + running.length + draining.size > 0;
  }

  /** The next step; its effect is booked. No entries: nothing can go on before steps in flight are read. */
  plan(): Plan {
    this.memory.media.unpinAll();
    const plan: Plan = { entries: [], encode: [], prefill: false };
    let budget = this.info.maxBatchTokens;
    for (const sequence of [...this.running]) {
      if (budget === 0) break;
      if (!ready(sequence) || !sequence.decoding || !sequence.guided) continue;
      const guess = this.#guess(sequence, budget - 1);
      if (guess === null || !this.#grow(sequence, plan)) continue;
      budget -= guess.length > 0 && this.memory.grow(sequence, sequence.length + guess.length)
        ? this.#check(plan, sequence, guess)
        : this.#take(plan, sequence, 1);
    }
    if (plan.entries.length > 0) budget = Math.min(budget, this.options.mixedPrefillTokens);
    for (const sequence of this.running) {
      if (budget === 0) break;
      if (ready(sequence) && !sequence.decoding) budget -= this.#take(plan, sequence, budget);
    }
    while (budget > 0) {
      const sequence = this.#admit();
      if (sequence === null) break;
      budget -= this.#take(plan, sequence, budget);
    }
    if (plan.entries.length > 0) this.#counters.steps++;
    return plan;
  }

  /** A step's entry has been read: its tokens are in the cache. `ids`: those it drew that count, none of an end. */
  finishEntry({ sequence, start, count, guess }: PlanEntry, ids: readonly number[]): void {
    sequence.inFlight--;
    if (guess.length > 0) {
      const right = Math.max(0, ids.length - 1);
      sequence.checking = false;
      sequence.computed += right;
      sequence.sampled += right;
      sequence.lookup?.learn(right, sequence.ids.length + ids.length);
      this.#counters.guessedTokens += guess.length;
      this.#counters.rightGuesses += right;
    }
    sequence.completed = guess.length > 0 ? sequence.computed : start + count;
    if (sequence.state !== "ended") {
      sequence.ids.push(...ids);
      this.#counters.generatedTokens += ids.length;
      this.memory.commit(sequence);
    }
    if (sequence.inFlight > 0) return;
    if (this.draining.delete(sequence)) this.memory.release(sequence);
    else if (sequence.state === "preempting") this.#vacate(sequence);
  }

  /** Ends a sequence wherever it is: finished, aborted or failed. */
  end(sequence: Sequence): void {
    const { state } = sequence;
    if (state === "ended") return;
    sequence.state = "ended";
    if (state === "waiting") {
      this.queue.remove(sequence);
      return;
    }
    remove(this.running, sequence);
    if (sequence.inFlight > 0) this.draining.add(sequence);
    else this.memory.release(sequence);
  }

  stats(): Omit<EngineStats, "deviceAllocations" | "deviceBytes"> {
    const { info, queue, memory: { blocks, media, freeSlots } } = this;
    return {
      waiting: queue.size + queue.preempted.length,
      waitingTokens: [...queue, ...queue.preempted].reduce((sum, { length }) => sum + length, 0),
      running: this.running.length,
      draining: this.draining.size,
      freeSlots,
      totalSlots: info.maxSequences,
      freeBlocks: blocks.free,
      totalBlocks: info.numBlocks,
      cachedBlocks: blocks.cached,
      blockSize: info.blockSize,
      freeMediaRows: media.free,
      totalMediaRows: info.mediaRows,
      cachedMedia: media.cached,
      mediaEncoded: media.encoded,
      mediaReused: media.reused,
      ...this.#counters,
    };
  }

  /** Ids that may come next; null: not before those in flight are known. */
  #guess({ lookup, ids, inFlight, sampled, maxTokens }: Sequence, room: number): number[] | null {
    if (lookup === null) return [];
    const most = Math.min(this.options.speculate, MAX_DRAWS - 1, room, maxTokens - sampled - 1);
    const guess = lookup.guess(ids, most);
    return guess.length > 0 && inFlight > 0 ? null : guess;
  }

  /** Books the known id and the guessed ones behind it; tells how many. Nothing else of the sequence is in flight. */
  #check(plan: Plan, sequence: Sequence, guess: number[]): number {
    const start = sequence.computed, count = 1 + guess.length;
    plan.entries.push({
      sequence,
      start,
      count,
      fromSlot: false,
      samples: true,
      first: false,
      mediaRows: null,
      mask: undefined,
      guess,
    });
    sequence.computed++;
    sequence.sampled++;
    sequence.inFlight++;
    sequence.idInSlot = false;
    sequence.checking = true;
    this.queue.charge(sequence.params.key, count);
    return count;
  }

  /** Books up to `budget` of the sequence's tokens; tells how many. */
  #take(plan: Plan, sequence: Sequence, budget: number): number {
    const { blockSize } = this.info;
    const start = sequence.computed, { decoding } = sequence;
    const fromSlot = decoding && sequence.idInSlot;
    let count = Math.min(sequence.remaining, budget);
    if (count === sequence.remaining && !sequence.guided) return 0;
    // A chunk that is not the last ends at a block's border, unless that leaves nothing.
    if (count < sequence.remaining) {
      const aligned = Math.floor((start + count) / blockSize) * blockSize - start;
      if (aligned > 0) count = aligned;
    }
    // While others decode, one medium a step: each encoding holds them up.
    const fresh = plan.entries.some((entry) => entry.start >= entry.sequence.promptLength)
      ? Math.max(0, 1 - plan.encode.length)
      : Infinity;
    const media = this.memory.mediaRows(sequence, start, count, fresh);
    plan.encode.push(...media.encode);
    count = media.count;
    if (count === 0) return 0;
    const samples = count === sequence.remaining;
    const first = samples && !sequence.idInSlot;
    const mask = samples ? sequence.guide?.take(sequence.sampled) : undefined;
    plan.entries.push({
      sequence,
      start,
      count,
      fromSlot,
      samples,
      first,
      mediaRows: media.rows,
      mask,
      guess: [],
    });
    if (!decoding) {
      plan.prefill = true;
      this.#counters.promptTokens += count;
    }
    sequence.computed += count;
    sequence.inFlight++;
    if (samples) {
      sequence.sampled++;
      sequence.idInSlot = true;
    }
    this.queue.charge(sequence.params.key, count);
    return count;
  }

  /** A block for the sequence's next token, taken from another if need be. False: not now. */
  #grow(sequence: Sequence, plan: Plan): boolean {
    while (!this.memory.grow(sequence, sequence.length)) {
      // Somebody's blocks are on their way back already.
      if (this.draining.size > 0 || this.running.some(({ state }) => state === "preempting")) return false;
      const planned = new Set(plan.entries.map((entry) => entry.sequence));
      const others = this.running.filter((other) => other === sequence || !planned.has(other));
      const victim = others.findLast(({ params }) => params.background) ?? others.at(-1)!;
      this.#counters.preemptions++;
      victim.state = "preempting";
      if (victim.inFlight === 0) this.#vacate(victim);
      if (victim === sequence) return false;
    }
    return true;
  }

  /** Out of its place and back to those who wait. */
  #vacate(sequence: Sequence): void {
    remove(this.running, sequence);
    this.memory.release(sequence);
    sequence.forget();
    sequence.state = "waiting";
    this.queue.putBack(sequence);
  }

  /** The next in line, if there is room for it. */
  #admit(): Sequence | null {
    const sequence = this.queue.next();
    if (sequence === null) return null;
    // A block of growth for everybody, unless nobody runs.
    const reserve = this.running.length === 0 ? 0 : this.running.length + 1;
    if (!this.memory.admit(sequence, reserve)) return null;
    this.queue.remove(sequence);
    if (!sequence.admitted) {
      sequence.cachedTokens = sequence.computed;
      this.#counters.cachedTokens += sequence.computed;
    }
    sequence.admitted = true;
    sequence.state = "running";
    this.running.push(sequence);
    return sequence;
  }
}

/** It may get a step now. */
function ready(sequence: Sequence): boolean {
  return sequence.state === "running" && !sequence.exhausted && !sequence.checking;
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
