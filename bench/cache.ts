/** `bench cache`: time to the first token with a long prefix (picture in it) cold and cached, over HTTP, on the demo model. */
import { median, streamChat, withServer } from "./served.ts";
import { printTable } from "./timing.ts";

const PREFIX = 2000;
const REPEATS = 7;

export interface CacheResult {
  promptTokens: number;
  cachedTokens: number;
  newTokens: number;
  /** Milliseconds to the first token, medians. */
  cold: number;
  cached: number;
  share: number;
}

export async function benchCache(project: string): Promise<CacheResult> {
  const picture = Deno.readFileSync(`${project}examples/shapes.png`);
  const image = { type: "image_url", image_url: { url: `data:image/png;base64,${picture.toBase64()}` } };
  const result = await withServer(project, async (url) => {
    const ask = (salt: string, filler: string, question: string) =>
      streamChat(url, {
        messages: [
          { role: "user", content: [image, { type: "text", text: filler }] },
          { role: "assistant", content: "This is a product." },
          { role: "user", content: question },
        ],
        max_tokens: 8,
        temperature: 0,
        cache_salt: salt,
      });
    const filler = await fillerOf((text) => ask("measure", text, "What is this?"));
    const cold: number[] = [], cached: number[] = [];
    let last = { promptTokens: 0, cachedTokens: 0 };
    for (let i = 0; i <= REPEATS; i++) {
      const a = await ask(`salt-${i}`, filler, "What is this?");
      const b = await ask(`salt-${i}`, filler, "Tell me the price of it, please.");
      if (a.cachedTokens !== 0) {
        throw new Error(`Cannot compare: ${a.cachedTokens} tokens of the cold one were cached`);
      }
      last = b;
      if (i === 0) continue; // compiles
      cold.push(a.first);
      cached.push(b.first);
    }
    return { ...last, cold: median(cold), cached: median(cached) };
  });
  const { promptTokens, cachedTokens, cold, cached } = result;
  const share = cached / cold;
  printTable([
    ["prompt", `${promptTokens} tokens, ${cachedTokens} of them cached`, "mark"],
    ["first token, cold", `${cold.toFixed(1)} ms`, ""],
    ["first token, cached", `${cached.toFixed(1)} ms`, ""],
    ["share", `${(100 * share).toFixed(1)} %`, "≤ 5 %"],
  ]);
  return { promptTokens, cachedTokens, newTokens: promptTokens - cachedTokens, cold, cached, share };
}

/** Words that make the prompt about PREFIX tokens long. */
async function fillerOf(ask: (text: string) => Promise<{ promptTokens: number }>): Promise<string> {
  const words = (n: number) => Array.from({ length: n }, (_, i) => `Note ${i % 10}.`).join(" ");
  const few = (await ask(words(10))).promptTokens;
  const more = (await ask(words(110))).promptTokens;
  return words(10 + Math.round((PREFIX - few) / ((more - few) / 100)));
}
