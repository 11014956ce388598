/**
 * Lines to standard error without waiting for whoever reads them: a log collector that stalls fills the pipe, and a
 * write that waits for it would stop the server.
 */

/** Characters that may wait; what comes on top is counted and left out. */
const MOST_WAITING = 4 << 20;

export class LineWriter {
  readonly #file: { write(bytes: Uint8Array): Promise<number> };
  readonly #lost: (lines: number) => string;
  #waiting: string[] = [];
  #size = 0;
  #dropped = 0;
  #writing: Promise<void> | null = null;

  /** `lost`: the line that tells how many were left out. */
  constructor(file: { write(bytes: Uint8Array): Promise<number> }, lost: (lines: number) => string) {
    this.#file = file;
    this.#lost = lost;
  }

  /** `line` ends with its newline. */
  write(line: string): void {
    if (this.#size + line.length > MOST_WAITING) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#size += line.length;
    this.#writing ??= this.#drain().finally(() => this.#writing = null);
  }

  /** Resolves when all is written, or after `ms` if nobody reads it. */
  async end(ms: number): Promise<void> {
    const timer = Promise.withResolvers<void>();
    const late = setTimeout(timer.resolve, ms);
    await Promise.race([this.#writing, timer.promise]);
    clearTimeout(late);
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#dropped > 0) this.#waiting.push(this.#lost(this.#dropped));
      const bytes = new TextEncoder().encode(this.#waiting.join(""));
      this.#dropped = this.#size = 0;
      this.#waiting = [];
      try {
        for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
      } catch {
        return; // nobody is there any more: there is nowhere to say so
      }
    }
  }
}
