/** Timing on the device without the floor of submit and wait (Deno's poll costs 10 ms whatever ran). */
import type { Pass } from "../src/gpu/pass.ts";
import type { Runtime } from "../src/gpu/runtime.ts";

/**
 * Milliseconds of one `record`: (time of 1 + n − time of 1) / n, each the least of `repeats`, n grown until the
 * difference is at least `least` ms. @throws Error when the machine is too busy to tell
 */
export async function millisecondsOf(
  runtime: Runtime,
  record: (pass: Pass) => void,
  { repeats = 5, least = 60 }: { repeats?: number; least?: number } = {},
): Promise<number> {
  const once = async (count: number): Promise<number> => {
    const pass = runtime.begin("bench");
    for (let i = 0; i < count; i++) record(pass);
    const start = performance.now();
    pass.submit();
    await runtime.gpu.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  await once(1);
  let n = 1;
  while (n < 4096 && await once(1 + n) - await once(1) < least) n *= 2;
  let many = Infinity, one = Infinity;
  for (let i = 0; i < repeats; i++) {
    many = Math.min(many, await once(1 + n));
    one = Math.min(one, await once(1));
  }
  if (many <= one) throw new Error(`Cannot time it: ${1 + n} took no longer than 1; other work disturbs`);
  return (many - one) / n;
}

/** Columns padded to line up; the first left, the rest right. */
export function printTable(rows: (string | number)[][]): void {
  const text = rows.map((r) => r.map((c) => typeof c === "number" ? c.toPrecision(4) : c));
  const widths = text[0].map((_, i) => Math.max(...text.map((r) => (r[i] ?? "").length)));
  for (const r of text) {
    console.log(r.map((c, i) => i === 0 ? c.padEnd(widths[i]) : c.padStart(widths[i])).join("  "));
  }
}
