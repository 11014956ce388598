/** T-SOAK: a mix of requests for as long as it takes; memory and open files must not grow. */

import { type Campaign, each, quantile, randomFrom, Tally } from "./campaign.ts";
import { FAKE, idle, startProcess } from "./server_process.ts";

const PICTURE = `data:image/png;base64,${
  Deno.readFileSync(new URL("../../examples/shapes.png", import.meta.url)).toBase64()
}`;
const SOUND = Deno.readFileSync(new URL("../../tests/fixtures/media/sounds/s.mp3", import.meta.url))
  .toBase64();

export const soak: Campaign = {
  id: "T-SOAK",
  target:
    "10,000 requests: memory +5 % at most after the first tenth, no file more, p99 of the last tenth ≤ 1.2 × the first",
  async run(scale) {
    const count = Math.round(10_000 * scale), tenth = Math.floor(count / 10), random = randomFrom(23);
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":0.5}']);
    const ends = new Tally(), times: number[] = [], memory: number[] = [];
    let files = 0;
    await each(Array.from({ length: count }, (_, i) => i), 4, async (i) => {
      const kind = random();
      const leaving = new AbortController();
      const timer = random() < 0.1 ? setTimeout(() => leaving.abort(), random() * 30) : undefined;
      const before = performance.now();
      try {
        const response = await server.post("/v1/chat/completions", bodyOf(kind, random, i), {
          signal: leaving.signal,
        });
        await response.text();
        ends.add(response.status);
        times.push(performance.now() - before);
      } catch {
        ends.add("left");
      }
      clearTimeout(timer);
      if (i > tenth && i % 100 === 0) memory.push(server.memory());
      if (i === tenth) files = server.files();
    });
    await idle(server);
    const grownFiles = server.files() - files;
    const code = await server.stop();
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const part = Math.max(1, Math.floor(memory.length / 10));
    const growth = mean(memory.slice(-part)) / mean(memory.slice(0, part)) - 1;
    const [first, last] = [quantile(times.slice(0, tenth), 0.99), quantile(times.slice(-tenth), 0.99)];
    return {
      did:
        `${count} requests (70 % text, 15 % pictures, 5 % sounds, 5 % constrained, 5 % malformed; a tenth cut), fake engine`,
      figures: `${ends}; memory ${(100 * growth).toFixed(1)} % (${
        (mean(memory.slice(0, part)) / 2 ** 20).toFixed(0)
      } MiB → ${(mean(memory.slice(-part)) / 2 ** 20).toFixed(0)} MiB); files ${
        grownFiles >= 0 ? "+" : ""
      }${grownFiles}; p99 ${first.toFixed(0)} → ${last.toFixed(0)} ms`,
      missed: [
        ...(growth > 0.05 ? ["memory grew"] : []),
        ...(grownFiles > 8 ? ["files grew"] : []), // connections kept alive come and go
        ...(last > 1.2 * first ? ["slower at the end"] : []),
        ...(ends.of(500) > 0 ? ["5xx"] : []),
        ...(code !== 0 ? [`exit code ${code}`] : []),
      ],
    };
  },
};

function bodyOf(kind: number, random: () => number, i: number): unknown {
  const say = (content: unknown, extra = {}) => ({
    stream: i % 2 === 0,
    messages: [{ role: "user", content }],
    ...extra,
  });
  if (kind < 0.7) return say(`say ${1 + Math.floor(random() * 40)} words, please (${i % 500})`);
  if (kind < 0.85) {
    return say([{ type: "image_url", image_url: { url: PICTURE } }, { type: "text", text: `What? ${i}` }]);
  }
  if (kind < 0.9) return say([{ type: "input_audio", input_audio: { data: SOUND, format: "mp3" } }]);
  if (kind < 0.95) return say("json", { response_format: { type: "json_object" }, max_tokens: 40 });
  return { messages: [{ role: "nobody", content: i }] };
}
