/** T-FUZZ-JSON: malformed bodies against a server process. */

import { malformedBodies } from "./bodies.ts";
import { type Campaign, each, quantile, Tally } from "./campaign.ts";
import { FAKE, startProcess, watchHealth } from "./server_process.ts";

const SEED = 20261124;
const SLICE = 3000;

export const fuzzJson: Campaign = {
  id: "T-FUZZ-JSON",
  target: "30,000 bodies: no 5xx, no crash, p99 < 50 ms, /health never over 200 ms",
  async run(scale) {
    const count = Math.round(30_000 * scale);
    // Before the server is watched: making them holds up this process for some 0.4 s a slice, and its watch with it.
    const bodies: Uint8Array[] = [];
    for (let done = 0; done < count; done += SLICE) {
      bodies.push(...malformedBodies(Math.min(SLICE, count - done), SEED + done));
    }
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":0}']);
    const health = watchHealth(server.url, 20);
    const statuses = new Tally(), times: number[] = [], bad: string[] = [];
    await each(bodies, 4, async (body) => {
      const before = performance.now();
      const response = await server.post("/v1/chat/completions", body);
      const text = await response.text();
      times.push(performance.now() - before);
      statuses.add(response.status);
      const leaks = /0x[0-9a-f]{6,}|\/(home|work|usr)\/|at .*\.ts:/.test(response.status === 200 ? "" : text);
      if (response.status >= 500 || leaks) bad.push(`${response.status} ${text.slice(0, 200)}`);
    });
    const lags = await health.stop();
    const failures = server.log().split("\n").filter((line) => /"failure"|"unhandled"/.test(line)).length;
    const code = await server.stop();
    const [p99, worst] = [quantile(times, 0.99), Math.max(...lags)];
    return {
      did: `${count} bodies, 4 at a time, fake engine`,
      figures: `${statuses}; p99 ${p99.toFixed(0)} ms; /health at most ${worst.toFixed(0)} ms`,
      missed: [
        ...(bad.length > 0 ? [`${bad.length} × 5xx or leaking: ${bad[0]}`] : []),
        ...(failures > 0 ? [`${failures} failures in the log`] : []),
        ...(code !== 0 ? [`exit code ${code}`] : []),
        ...(p99 > 50 ? ["p99"] : []),
        ...(worst > 200 ? ["/health"] : []),
      ],
    };
  },
};
