/** Counting what `deno test` printed. */

export interface Run {
  driver: "lavapipe" | "swiftshader" | "default";
  paths: string[];
}

export interface Counts {
  passed: number;
  failed: number;
  ignored: number;
}

/** Collects a run's output and reads the closing line: `ok | 29 passed | 0 failed | 1 ignored (239ms)`. */
export class TestOutput {
  #text = "";

  /** Keeps the end only: the closing line is the last one that matters. */
  add(chunk: string): void {
    this.#text = (this.#text + chunk).slice(-20_000);
  }

  /**
   * What the run came to. No closing line (a crash, a type error), no test executed, or an exit code that
   * contradicts the line: one failure.
   */
  counts(exitCode: number): Counts {
    const lines = [
      ...this.#text.matchAll(/^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(.*)$/gm),
    ];
    const last = lines.at(-1);
    if (!last) return { passed: 0, failed: 1, ignored: 0 };
    const passed = Number(last[1]);
    const failed = Number(last[2]);
    const ignored = Number(/(\d+) ignored/.exec(last[3])?.[1] ?? 0);
    const wrong = failed === 0 && (exitCode !== 0 || passed === 0);
    return { passed, failed: wrong ? 1 : failed, ignored };
  }
}

/** All runs together; none at all is a failure. */
export function sum(counts: Counts[]): Counts {
  if (counts.length === 0) return { passed: 0, failed: 1, ignored: 0 };
  const total = { passed: 0, failed: 0, ignored: 0 };
  for (const { passed, failed, ignored } of counts) {
    total.passed += passed;
    total.failed += failed;
    total.ignored += ignored;
  }
  return total;
}

/** `12 passed, 0 failed`, with `, 1 skipped` where tests were ignored. */
export function closingLine({ passed, failed, ignored }: Counts): string {
  return `${passed} passed, ${failed} failed${ignored > 0 ? `, ${ignored} skipped` : ""}`;
}
