/** T-DRAIN: SIGTERM at whatever moment. */

import { type Campaign, each, sleep, Tally } from "./campaign.ts";
import { startProcess } from "./server_process.ts";

const MOMENTS = ["idle", "prefill", "decode", "stuck reader", "twice"] as const;

export const drain: Campaign = {
  id: "T-DRAIN",
  target: "60 SIGTERMs: exit 0 in time, streams finished or ended in-band, new work refused",
  async run(scale) {
    const count = Math.max(5, Math.round(60 * scale));
    const missed: string[] = [], ends = new Tally();
    let slowest = 0;
    await each(Array.from({ length: count }, (_, i) => MOMENTS[i % MOMENTS.length]), 2, async (moment) => {
      const server = await startProcess([
        "--engine",
        "fake",
        "--drain-grace",
        "0.5",
        "--drain-timeout",
        "3",
        "--engine-options",
        '{"promptTokenMs":0.5}',
      ]);
      const content = moment === "prefill" ? "x".repeat(3000) : moment === "idle" ? "" : "forever";
      let said: Promise<string> | null = null;
      let stuck: Deno.TcpConn | null = null;
      if (moment === "stuck reader") {
        const body = JSON.stringify({ stream: true, messages: [{ role: "user", content }] });
        stuck = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
        const head =
          `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n`;
        await stuck.write(new TextEncoder().encode(`${head}content-length: ${body.length}\r\n\r\n${body}`));
      } else if (content !== "") {
        said = server.post("/v1/chat/completions", { stream: true, messages: [{ role: "user", content }] })
          .then((response) => response.text()).catch((error) => `broken: ${error}`);
      }
      await sleep(moment === "prefill" ? 100 : 300);
      const before = performance.now();
      server.signal("SIGTERM");
      if (moment === "twice") {
        await sleep(1100);
        server.signal("SIGTERM");
      } else await sleep(900);
      const late = moment === "twice"
        ? 503
        : await server.post("/v1/chat/completions", { messages: [{ role: "user", content: "Hi" }] })
          .then(async (response) => (await response.text(), response.status)).catch(() => 503);
      const code = await server.ended;
      const took = performance.now() - before;
      slowest = Math.max(slowest, took);
      stuck?.close();
      const text = await said;
      const whole = text === null || text.includes("data: [DONE]") || /data: \{"error"/.test(text);
      ends.add(`${moment} ${code}`);
      if (code !== 0 || took > 5500 || late !== 503 || !whole) {
        missed.push(
          `${moment}: exit ${code} after ${took.toFixed(0)} ms, late ${late}, ${text?.slice(-120)}`,
        );
      }
    });
    return {
      did: `${count} servers; grace 0.5 s, time-out 3 s, fake engine`,
      figures: `${ends}; slowest ${(slowest / 1000).toFixed(1)} s`,
      missed,
    };
  },
};
