/** T-SOAK: a mix of requests for as long as it takes; memory, open files and device buffers must not grow. */

import { type Campaign, each, quantile, randomFrom, Tally } from "./campaign.ts";
import { FAKE, idle, type ServerProcess, startProcess } from "./server_process.ts";

const PICTURE = `data:image/png;base64,${
  Deno.readFileSync(new URL("../../examples/shapes.png", import.meta.url)).toBase64()
}`;
const SOUND = Deno.readFileSync(new URL("../../tests/fixtures/media/sounds/s.mp3", import.meta.url))
  .toBase64();

interface Sent {
  ends: Tally;
  /** Milliseconds of each answer that was read. */
  times: number[];
}

/** Requests `from` to `to`, four at a time, a tenth of them cut off within `patienceMs`; `after` is told of each. */
async function send(
  server: ServerProcess,
  [from, to]: [number, number],
  random: () => number,
  patienceMs: number,
  after: (i: number) => void = () => {},
): Promise<Sent> {
  const ends = new Tally(), times: number[] = [];
  await each(Array.from({ length: to - from }, (_, i) => from + i), 4, async (i) => {
    const kind = random();
    const leaving = new AbortController();
    const timer = random() < 0.1 ? setTimeout(() => leaving.abort(), random() * patienceMs) : undefined;
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
    after(i);
  });
  return { ends, times };
}

const MIX = "70 % text, 15 % pictures, 5 % sounds, 5 % constrained, 5 % malformed; a tenth cut";
const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

export const soak: Campaign = {
  id: "T-SOAK",
  target:
    "10,000 requests: memory +5 % at most after the first tenth, no file more, p99 of the last tenth ≤ 1.2 × the first",
  async run(scale) {
    const count = Math.round(10_000 * scale), tenth = Math.floor(count / 10);
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":0.5}']);
    const memory: number[] = [];
    let files = 0;
    const { ends, times } = await send(server, [0, count], randomFrom(23), 30, (i) => {
      if (i > tenth && i % 100 === 0) memory.push(server.memory());
      if (i === tenth) files = server.files();
    });
    await idle(server);
    const grownFiles = server.files() - files;
    const code = await server.stop();
    const part = Math.max(1, Math.floor(memory.length / 10));
    const [early, late] = [mean(memory.slice(0, part)), mean(memory.slice(-part))];
    const growth = late / early - 1;
    const [first, last] = [quantile(times.slice(0, tenth), 0.99), quantile(times.slice(-tenth), 0.99)];
    return {
      did: `${count} requests (${MIX}), fake engine`,
      figures: `${ends}; memory ${(100 * growth).toFixed(1)} % (${mib(early)} → ${mib(late)}); files ${
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

/** What a server on a device holds while nothing runs. */
async function held(server: ServerProcess) {
  const { num_used_tokens: used } = await idle(server, 30_000);
  const metrics = await fetch(`${server.url}/metrics`).then((response) => response.text());
  const value = (name: string) => Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, "m").exec(metrics)?.[1]);
  return {
    used,
    allocations: value("valley_device_allocations"),
    bytes: value("valley_device_memory_bytes"),
    memory: server.memory(),
  };
}

export const soakDemo: Campaign = {
  id: "T-SOAK",
  target:
    "300 requests on the demo model after 100 others: every cache block back, no device buffer more, memory +5 % at most",
  async run(scale) {
    const count = Math.round(300 * scale), before = Math.round(100 * scale), random = randomFrom(29);
    const server = await startProcess(["--drain-grace", "0", "--drain-timeout", "2"]);
    await send(server, [0, before], random, 100);
    const early = await held(server);
    const { ends } = await send(server, [before, before + count], random, 100);
    const late = await held(server);
    const code = await server.stop();
    const growth = late.memory / early.memory - 1;
    return {
      did: `${count} requests (${MIX}) after ${before} others, demo model`,
      figures:
        `${ends}; tokens in blocks that are held ${late.used}; device buffers ${early.allocations} → ${late.allocations} (${
          mib(early.bytes)
        } → ${mib(late.bytes)}); memory ${(100 * growth).toFixed(1)} % (${mib(early.memory)} → ${
          mib(late.memory)
        })`,
      missed: [
        ...(early.used !== 0 || late.used !== 0 ? ["cache blocks were lost"] : []),
        ...(late.allocations === early.allocations ? [] : ["device buffers grew"]),
        ...(growth > 0.05 ? ["memory grew"] : []),
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
