/** T-SLOW: half-open connections, readers that take nothing, bodies that trickle, under a low limit of open files. */

import { type Campaign, quantile, sleep } from "./campaign.ts";
import { FAKE, startProcess } from "./server_process.ts";

/** Ordinary requests before memory is counted. */
const WARM = 300;
const HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";

export const slow: Campaign = {
  id: "T-SLOW",
  target: "300 half-open, 50 that read nothing, 20 at 100 B/s, ulimit -n 512: others answered within 1 s",
  async run(scale) {
    const seconds = Math.max(10, Math.round(120 * scale));
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":1}'], { files: 512 });
    // A rise in memory is one over a server at work: what it takes to warm up, it takes for anybody.
    for (let i = 0; i < WARM; i++) {
      const body = { stream: i % 2 === 0, messages: [{ role: "user", content: "say 14 words" }] };
      await (await server.post("/v1/chat/completions", body)).text();
    }
    const encoder = new TextEncoder();
    const until = performance.now() + seconds * 1000, before = server.memory();
    let opened = 0, closed = 0;
    const connect = async (text: string): Promise<Deno.TcpConn | null> => {
      try {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
        opened++;
        await connection.write(encoder.encode(text));
        return connection;
      } catch {
        return null;
      }
    };
    /** Opened again as often as it is closed. */
    const keep = async (text: string, live: (connection: Deno.TcpConn) => Promise<void>) => {
      while (performance.now() < until) {
        const connection = await connect(text);
        if (connection !== null) {
          await live(connection).catch(() => {});
          closed++;
          quietly(connection);
        }
        await sleep(500);
      }
    };
    const readToEnd = async (connection: Deno.TcpConn) => {
      const piece = new Uint8Array(4096);
      const timer = setTimeout(() => quietly(connection), Math.max(0, until - performance.now()));
      while (await connection.read(piece) !== null);
      clearTimeout(timer);
    };
    const stream = JSON.stringify({ stream: true, messages: [{ role: "user", content: "forever" }] });
    const bad = [
      ...Array.from({ length: 300 }, () => keep(HEAD, readToEnd)),
      ...Array.from(
        { length: 50 },
        () =>
          keep(`${HEAD}content-length: ${stream.length}\r\n\r\n${stream}`, async () => {
            while (performance.now() < until) await sleep(1000);
          }),
      ),
      ...Array.from(
        { length: 20 },
        () =>
          keep(`${HEAD}content-length: 100000\r\n\r\n`, async (connection) => {
            while (performance.now() < until) {
              await connection.write(encoder.encode(" ".repeat(50)));
              await sleep(500);
            }
          }),
      ),
    ];
    const times: number[] = [];
    let refused = 0, peak = 0;
    while (performance.now() < until) {
      const asked = performance.now();
      try {
        const response = await fetch(`${server.url}/health`, { signal: AbortSignal.timeout(5000) });
        await response.text();
        if (response.status === 200) times.push(performance.now() - asked);
        else refused++;
      } catch {
        refused++;
      }
      peak = Math.max(peak, server.memory() - before);
      await sleep(500);
    }
    await Promise.all(bad);
    const code = await server.stop();
    const worst = Math.max(...times);
    return {
      did: `${seconds} s, ${opened} connections opened, after ${WARM} ordinary requests`,
      figures:
        `${times.length} answers, worst ${worst.toFixed(0)} ms, p50 ${quantile(times, 0.5).toFixed(0)} ms, ` +
        `${refused} not answered; memory +${(peak / 2 ** 20).toFixed(0)} MiB; ${closed} closed`,
      missed: [
        ...(refused > 0 ? [`${refused} not answered`] : []),
        ...(worst > 1000 ? ["an answer took over 1 s"] : []),
        ...(peak > 64 << 20 ? ["memory"] : []),
        ...(code !== 0 ? [`exit code ${code}`] : []),
      ],
    };
  },
};

function quietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch { /* closed already */ }
}
