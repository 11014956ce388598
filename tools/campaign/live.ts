/** T-LIVE: /health while the engine's thread is blocked by the GPU; on the fake, and on the demo model's long prefill. */

import { type Campaign, quantile, sleep } from "./campaign.ts";
import { FAKE, type ServerProcess, startProcess } from "./server_process.ts";

async function poll(server: ServerProcess, count: number, prompt: () => string): Promise<number[]> {
  let going = true;
  const busy = (async () => {
    while (going) {
      await server.post("/v1/chat/completions", {
        max_tokens: 8,
        messages: [{ role: "user", content: prompt() }],
      })
        .then((response) => response.text());
    }
  })();
  await sleep(500);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    await fetch(`${server.url}/health`).then((response) => response.body?.cancel());
    times.push(performance.now() - before);
    await sleep(50);
  }
  going = false;
  await busy;
  return times;
}

export const live: Campaign = {
  id: "T-LIVE",
  target: "/health while the GPU works: p99 < 50 ms, at most 200 ms",
  async run(scale) {
    const count = Math.max(40, Math.round(200 * scale));
    const missed: string[] = [], figures: string[] = [];
    const cases = [
      [
        "fake, its thread blocked 2 s at a time",
        [...FAKE, "--engine-options", '{"blockMs":2000}'],
        () => "forever",
      ],
      [
        "demo model, prompts of some 1,500 tokens",
        ["--drain-grace", "0", "--no-prefix-cache"],
        () => `${Math.random()} `.repeat(75),
      ],
    ] as const;
    for (const [name, args, prompt] of cases) {
      const server = await startProcess([...args]);
      const times = await poll(server, count, prompt);
      const [p99, most] = [quantile(times, 0.99), Math.max(...times)];
      figures.push(`${name}: p99 ${p99.toFixed(0)} ms, at most ${most.toFixed(0)} ms`);
      if (p99 > 50 || most > 200) missed.push(name);
      await server.stop();
    }
    return { did: `${count} polls each, 50 ms apart`, figures: figures.join("; "), missed };
  },
};
