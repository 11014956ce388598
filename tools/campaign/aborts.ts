/** T-ABORT: clients that leave at random moments. */

import { type Campaign, each, randomFrom, sleep, Tally } from "./campaign.ts";
import { FAKE, idle, startProcess } from "./server_process.ts";

export const aborts: Campaign = {
  id: "T-ABORT",
  target: "2,000 requests cut: nothing left in the engine 1 s later",
  async run(scale) {
    const count = Math.round(2000 * scale);
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":2}', "--max-waiting", "400"]);
    const random = randomFrom(3), ends = new Tally();
    const bodies = [
      { messages: [{ role: "user", content: "say 400 words" }] },
      { messages: [{ role: "user", content: "x".repeat(4000) }] },
      { n: 3, messages: [{ role: "user", content: "forever" }] },
      { messages: [{ role: "user", content: "forever" }], guided_regex: "[la ]{3000}" },
      { messages: [{ role: "user", content: "forever" }], metadata: { padding: "y".repeat(300_000) } },
    ];
    await each(Array.from({ length: count }, (_, i) => i), 24, async (i) => {
      const body = { ...bodies[i % bodies.length], stream: random() < 0.5 };
      const leaving = new AbortController();
      const timer = setTimeout(() => leaving.abort(), random() < 0.3 ? random() * 10 : random() * 250);
      try {
        const response = await server.post("/v1/chat/completions", body, { signal: leaving.signal });
        await response.text();
        ends.add(response.status);
      } catch {
        ends.add("left");
      }
      clearTimeout(timer);
    });
    await sleep(1000);
    const load = await idle(server, 0);
    const metrics = await fetch(`${server.url}/metrics`).then((response) => response.text());
    const used = /valley_kv_cache_usage_ratio\{[^}]*\} (\S+)/.exec(metrics)?.[1];
    const echo = await server.post("/v1/chat/completions", {
      messages: [{ role: "user", content: "echo: here" }],
    })
      .then((response) => response.json());
    const failures = server.log().split("\n").filter((line) => /"failure"|"unhandled"/.test(line)).length;
    const code = await server.stop();
    return {
      did: `${count} requests, streamed and whole, constrained ones among them, fake engine`,
      figures:
        `${ends}; 1 s later running ${load.num_running_reqs}, waiting ${load.num_waiting_reqs}, KV in use ${used}`,
      missed: [
        ...(load.num_running_reqs + load.num_waiting_reqs > 0 ? ["requests left over"] : []),
        ...(Number(used) > 0 ? ["blocks left over"] : []),
        ...(echo.choices?.[0].message.content !== "here" ? ["no answer afterwards"] : []),
        ...(failures > 0 ? [`${failures} failures in the log`] : []),
        ...(code !== 0 ? [`exit code ${code}`] : []),
        ...(ends.of("left") < count / 2 ? ["too few left"] : []),
      ],
    };
  },
};
