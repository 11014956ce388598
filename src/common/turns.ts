/** Long work on the thread that answers everybody: others have their turn in between. A leaf that every area may use. */
import { setTimeout as pause } from "node:timers/promises";

/** Milliseconds of work, and those that others have then: an answer to them takes several steps. */
const WORK = 4, OTHERS = 1;

export class Turns {
  #since = performance.now();

  /** To be called after each little piece of the work. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < WORK) return;
    await pause(OTHERS);
    this.#since = performance.now();
  }
}
