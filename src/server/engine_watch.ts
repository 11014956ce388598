/** The engine's counters as last told: asked for now and then, so that who reads them never waits for the engine. */

import type { EngineStats } from "../engine/generation.ts";
import type { EnginePort } from "./engine_port.ts";

const LOOK_MS = 250;

export class EngineWatch {
  latest: EngineStats | null = null;
  /** Over the last seconds. */
  tokensPerSecond = 0;
  readonly #timer: ReturnType<typeof setInterval>;
  #asking = false;
  #before: { at: number; tokens: number } | null = null;

  constructor(engine: EnginePort) {
    this.#timer = setInterval(() => void this.#look(engine), LOOK_MS);
  }

  async #look(engine: EnginePort): Promise<void> {
    if (this.#asking || engine.state !== "ready") return;
    this.#asking = true;
    const stats = await engine.stats();
    this.#asking = false;
    if (stats === null) return;
    this.latest = stats;
    const now = { at: performance.now(), tokens: stats.generatedTokens };
    if (this.#before === null || now.tokens < this.#before.tokens) this.#before = now;
    else if (now.at - this.#before.at > 2000) {
      this.tokensPerSecond = (now.tokens - this.#before.tokens) / ((now.at - this.#before.at) / 1000);
      this.#before = now;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
