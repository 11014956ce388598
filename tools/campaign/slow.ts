/** T-SLOW: half-open connections, readers that take nothing, bodies that trickle, under a low limit of open files. */

import { type Campaign, each, quantile, sleep } from "./campaign.ts";
import { FAKE, startProcess } from "./server_process.ts";

/** Requests of clients that read their answers, before memory is counted: short ones, and ones that fill the context. */
const WARM = 300, WARM_LONG = 16;
const HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";

export const slow: Campaign = {
  id: "T-SLOW",
  target: "300 half-open, 50 that read nothing, 20 at 100 B/s, ulimit -n 512: others answered within 1 s",
  async run(scale) {
    const seconds = Math.max(10, Math.round(120 * scale));
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":1}'], { files: 512 });
    // A rise in memory is one over a server at work: what the same questions take, it takes for clients that read too.
    for (let i = 0; i < WARM; i++) {
      const body = { stream: i % 2 === 0, messages: [{ role: "user", content: "say 14 words" }] };
      await (await server.post("/v1/chat/completions", body)).text();
    }
    const stream = JSON.stringify({ stream: true, messages: [{ role: "user", content: "forever" }] });
    await each(new Array(WARM_LONG).fill(stream), 8, async (body) => {
      await (await server.post("/v1/chat/completions", body)).text();
    });
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
    const keep = async (
      text: string,
      lives: number[],
      live: (connection: Deno.TcpConn) => Promise<void>,
    ) => {
      while (performance.now() < until) {
        const connection = await connect(text), since = performance.now();
        if (connection !== null) {
          await live(connection).catch(() => {});
          lives.push(performance.now() - since);
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
    /** How long the server bore with half a header and with half a body, ms. */
    const halves: number[] = [], trickles: number[] = [];
    const bad = [
      ...Array.from({ length: 300 }, () => keep(HEAD, halves, readToEnd)),
      ...Array.from(
        { length: 50 },
        () =>
          keep(`${HEAD}content-length: ${stream.length}\r\n\r\n${stream}`, [], async () => {
            while (performance.now() < until) await sleep(1000);
          }),
      ),
      ...Array.from(
        { length: 20 },
        () =>
          keep(`${HEAD}content-length: 100000\r\n\r\n`, trickles, async (connection) => {
            const write = async () => {
              while (performance.now() < until) {
                await connection.write(encoder.encode(" ".repeat(50)));
                await sleep(500);
              }
            };
            await Promise.race([readToEnd(connection), write().catch(() => sleep(5000))]);
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
      did:
        `${seconds} s, ${opened} connections opened, after ${WARM} short and ${WARM_LONG} long answers that were read`,
      figures:
        `${times.length} answers, worst ${worst.toFixed(0)} ms, p50 ${quantile(times, 0.5).toFixed(0)} ms, ` +
        `${refused} not answered; memory +${
          (peak / 2 ** 20).toFixed(0)
        } MiB; ${closed} closed, half a header after ` +
        `${(Math.max(...halves) / 1000).toFixed(1)} s at most, half a body after ${
          (Math.max(...trickles) / 1000).toFixed(1)
        } s`,
      missed: [
        ...(refused > 0 ? [`${refused} not answered`] : []),
        ...(worst > 1000 ? ["an answer took over 1 s"] : []),
        ...(peak > 64 << 20 ? ["memory"] : []),
        ...(Math.max(...halves) > 6000 ? ["half a header was borne with for over 6 s"] : []),
        ...(Math.max(...trickles) > 31_000 ? ["half a body was borne with for over 31 s"] : []),
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
