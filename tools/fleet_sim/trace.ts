/** A seeded trace of listing moderation: one system prompt, rules per category, a picture and a text per listing. */

import { random } from "../random.ts";

/** One request: its prompt as a chain of blocks, each a prefix of the next. Times in seconds, sizes in tokens. */
export interface Request {
  arrival: number;
  /** Blocks in order: system prompt, rules of the category, the listing. Equal ids mean equal tokens. */
  chain: { id: string; tokens: number }[];
  output: number;
}

export interface TraceOptions {
  seed: number;
  requests: number;
  /** Requests a second, all replicas together. */
  rate: number;
  categories: number;
}

const SYSTEM = 1500;
const RULES = 800;
const PICTURE = 640;
/** Listings that come again unchanged (relisted, or asked twice). */
const REPEATED = 0.1;

/** Poisson arrivals; categories by Zipf's law (the k-th as often as 1/k); one picture in each listing. */
export function makeTrace({ seed, requests, rate, categories }: TraceOptions): Request[] {
  const next = random(seed);
  const sums: number[] = [];
  for (let k = 1, sum = 0; k <= categories; k++) sums.push(sum += 1 / k);
  const trace: Request[] = [];
  let now = 0;
  for (let i = 0; i < requests; i++) {
    now += -Math.log(1 - next()) / rate;
    const repeats = trace.length > 0 && next() < REPEATED;
    if (repeats) {
      const recent = trace[trace.length - 1 - Math.floor(next() * Math.min(trace.length, 1000))];
      trace.push({ ...recent, arrival: now });
      continue;
    }
    const drawn = next() * sums[categories - 1];
    const category = sums.findIndex((sum) => drawn < sum);
    trace.push({
      arrival: now,
      chain: [
        { id: "s", tokens: SYSTEM },
        { id: `c${category}`, tokens: RULES },
        { id: `l${i}`, tokens: PICTURE + 60 + Math.floor(next() * 400) },
      ],
      output: 30 + Math.floor(next() * 60),
    });
  }
  return trace;
}
