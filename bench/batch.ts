/** `bench batch`: tokens a second of several streams together, over HTTP, on the demo model. */
import { median, streamChat, withServer } from "./served.ts";
import { printTable } from "./timing.ts";

const STREAMS = [1, 2, 4, 8];
const TOKENS = 192;
const REPEATS = 3;

export interface BatchRow {
  streams: number;
  /** All streams together, from the first token of the first to the last of the last; median of the repeats. */
  tokensPerSecond: number;
  /** Against one stream. */
  ratio: number;
}

export async function benchBatch(project: string): Promise<{ rows: BatchRow[] }> {
  const rates = await withServer(project, async (url) => {
    const out = new Map<number, number[]>();
    await together(url, Math.max(...STREAMS)); // compiles
    for (let r = 0; r < REPEATS; r++) {
      for (const streams of STREAMS) {
        out.set(streams, [...out.get(streams) ?? [], await together(url, streams)]);
      }
    }
    return out;
  });
  const one = median(rates.get(1)!);
  const rows = STREAMS.map((streams) => {
    const tokensPerSecond = median(rates.get(streams)!);
    return { streams, tokensPerSecond, ratio: tokensPerSecond / one };
  });
  printTable([
    ["streams", "tokens/s together", "against one"],
    ...rows.map((r) => [String(r.streams), r.tokensPerSecond, `${r.ratio.toFixed(2)} ×`]),
  ]);
  return { rows };
}

let asked = 0;

/** Tokens a second of `streams` requests that begin together, each of the same number of tokens. */
async function together(url: string, streams: number): Promise<number> {
  const all = await Promise.all(Array.from({ length: streams }, () =>
    streamChat(url, {
      messages: [{ role: "user", content: `Which category is a guitar? ${asked++}` }],
      max_tokens: TOKENS,
      ignore_eos: true,
      temperature: 0,
    })));
  const tokens = all.reduce((sum, t) => sum + t.completionTokens - 1, 0);
  return tokens / (Math.max(...all.map((t) => t.lastAt)) - Math.min(...all.map((t) => t.firstAt))) * 1000;
}
