/** T-QUEUE: three keys ask for five times what the server can do. */

import { createHash } from "node:crypto";
import { type Campaign, quantile, sleep, Tally } from "./campaign.ts";
import { FAKE, startProcess } from "./server_process.ts";

const KEYS = ["alpha", "beta", "gamma"];

export const queue: Campaign = {
  id: "T-QUEUE",
  target: "5 × capacity, 3 keys: refusals are 429 with Retry-After, p99 < 50 ms; each key gets ≥ 25 %",
  async run(scale) {
    const seconds = Math.max(10, Math.round(120 * scale));
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(
      file,
      KEYS.map((key) => `${createHash("sha256").update(key).digest("hex")} ${key}\n`).join(""),
    );
    // 8 places, answers of about 0.4 s: 20 a second.
    const server = await startProcess([
      ...FAKE,
      "--engine-options",
      '{"stepMs":4}',
      "--max-waiting",
      "16",
      "--api-keys",
      file,
    ]);
    const statuses = new Tally(),
      served = new Tally(),
      refusals: number[] = [],
      open = new Set<Promise<void>>();
    let withoutRetry = 0, memory = 0;
    const before = server.memory(), until = performance.now() + seconds * 1000;
    const ask = async (key: string) => {
      const started = performance.now();
      const response = await server.post("/v1/chat/completions", {
        messages: [{ role: "user", content: "say 14 words" }],
      }, {
        headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      });
      await response.text();
      statuses.add(response.status);
      if (response.status === 200) served.add(key);
      else refusals.push(performance.now() - started);
      if (response.status === 429 && response.headers.get("retry-after") === null) withoutRetry++;
    };
    for (let i = 0; performance.now() < until; i++) {
      // The first key asks for most.
      const asking = ask(KEYS[i % 5 < 3 ? 0 : i % 5 - 2]).catch(() => statuses.add("broken"));
      open.add(asking);
      void asking.finally(() => open.delete(asking));
      memory = Math.max(memory, server.memory() - before);
      await sleep(10);
    }
    await Promise.all(open);
    const code = await server.stop();
    await Deno.remove(file);
    const total = KEYS.reduce((sum, key) => sum + served.of(key), 0);
    const least = Math.min(...KEYS.map((key) => served.of(key) / total));
    const p99 = quantile(refusals, 0.99);
    return {
      did: `${seconds} s, 100 requests a second, three fifths of them by one key, fake engine`,
      figures: `${statuses}; served by key ${served}; p99 of a refusal ${p99.toFixed(0)} ms; memory +${
        (memory / 2 ** 20).toFixed(0)
      } MiB`,
      missed: [
        ...(statuses.of(429) === 0 ? ["nothing was refused"] : []),
        ...(statuses.of("broken") + statuses.of(500) > 0 ? ["broken"] : []),
        ...(withoutRetry > 0 ? ["no Retry-After"] : []),
        ...(p99 > 50 ? ["p99 of refusals"] : []),
        ...(least < 0.25 ? [`a key got ${(100 * least).toFixed(0)} %`] : []),
        ...(code !== 0 ? [`exit code ${code}`] : []),
      ],
    };
  },
};
