/** Progress of a long job with rate and time left: one line that is rewritten on a terminal, a line now and then else. */

export interface ProgressOptions {
  /** What is done: "converting". */
  verb: string;
  /** What is counted; bytes if it is left out. */
  unit?: string;
  /** Writes text as it is, newlines and carriage returns included. */
  write: (text: string) => void;
  /** Rewrites one line. */
  terminal: boolean;
  /** The rate is that of the last so many milliseconds. */
  window?: number;
  /** Milliseconds, for tests. */
  now?: () => number;
}

/** Milliseconds between two lines. */
const ON_TERMINAL = 200, ELSEWHERE = 5000;
const WINDOW = 15_000;

export class Progress {
  #samples: { time: number; done: number }[] = [];
  #told = -Infinity;
  #width = 0;
  readonly #now: () => number;

  constructor(private readonly options: ProgressOptions) {
    this.#now = options.now ?? (() => performance.now());
  }

  /** @param done so far; the first call sets the start, so work of an earlier run does not count as rate */
  update(done: number, total: number, detail = ""): void {
    const { terminal, window = WINDOW } = this.options;
    const time = this.#now();
    if (time - this.#told < (terminal ? ON_TERMINAL : ELSEWHERE)) return;
    this.#told = time;
    this.#samples.push({ time, done });
    while (this.#samples.length > 2 && this.#samples[1].time < time - window) this.#samples.shift();
    this.#tell(this.#line(done, total, detail));
  }

  finish(message: string): void {
    this.#tell(message);
    if (this.options.terminal) this.options.write("\n");
  }

  #line(done: number, total: number, detail: string): string {
    const { verb, unit } = this.options;
    const first = this.#samples[0];
    const last = this.#samples[this.#samples.length - 1];
    const seconds = (last.time - first.time) / 1000;
    const rate = seconds > 0 ? (last.done - first.done) / seconds : 0;
    const percent = total > 0 ? Math.floor(100 * done / total) : 100;
    const [so, all, each] = unit === undefined
      ? [bytesText(done), bytesText(total), bytesText(rate)]
      : [done, `${total} ${unit}`, `${rate.toFixed(1)} ${unit}`];
    const left = rate > 0 ? `, ${each}/s, ${durationText((total - done) / rate)} left` : "";
    return `${verb} ${percent} %: ${so} of ${all}${left}${detail ? ` (${detail})` : ""}`;
  }

  #tell(line: string): void {
    if (!this.options.terminal) return this.options.write(`${line}\n`);
    this.options.write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }
}

/** 1234567 → "1.2 MB". */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds → "42 s", "3 min 20 s", "2 h 5 min". */
export function durationText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}
