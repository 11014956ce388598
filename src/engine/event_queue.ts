/** A request in the engine, and the news of it that nobody has taken yet. */

import type { EngineError, GenerationEvent } from "./generation.ts";

export class EventQueue {
  #event: GenerationEvent | null = null;
  #error: EngineError | null = null;
  #wake: () => void = () => {};

  constructor(readonly key: string) {}

  /**
   * The engine does not wait for a client that reads slowly or not at all: what comes meanwhile is put together, so that
   * it takes as much memory as its ids.
   */
  push(event: GenerationEvent): void {
    if (this.#event === null) this.#event = event;
    else {
      const { ids, scores = [] } = this.#event;
      ids.push(...event.ids);
      scores.push(...event.scores ?? []);
      this.#event = { ...event, ids, ...(scores.length > 0 ? { scores } : {}) };
    }
    this.#wake();
  }

  fail(error: EngineError): void {
    this.#error = error;
    this.#wake();
  }

  /** It ended by an error, which is thrown once what came before it is taken. */
  get failed(): boolean {
    return this.#error !== null;
  }

  /** Lets `changed` resolve. */
  wake(): void {
    this.#wake();
  }

  /** What has come since the last call; null: nothing. Throws EngineError when the request has failed. */
  take(): GenerationEvent | null {
    const event = this.#event;
    this.#event = null;
    if (event === null && this.#error !== null) throw this.#error;
    return event;
  }

  /** Resolves at the next news. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }
}
