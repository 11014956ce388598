/** Clients that leave, at any moment and in any way: nothing of theirs stays in the engine. */

import { assertEquals, assertGreater } from "../support/assert.ts";
import { dataUrl, startServer, type TestServer, user } from "../support/server_harness.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function assertNothingLost(server: TestServer): Promise<void> {
  const stats = await server.idle();
  assertEquals(
    [stats.freeSlots, stats.freeBlocks, stats.freeMediaRows],
    [stats.totalSlots, stats.totalBlocks, stats.totalMediaRows],
  );
}

/** Sends a request in packets of `packet` bytes, and leaves `afterMs` after the last. */
async function sendAndLeave(
  port: number,
  body: string,
  packet: number,
  afterMs: number,
  half = false,
): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new TextEncoder().encode(body);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
    `content-length: ${bytes.length}\r\n\r\n`;
  try {
    await connection.write(new TextEncoder().encode(head));
    for (let at = 0; at < bytes.length; at += packet) {
      let piece = bytes.subarray(at, at + packet);
      while (piece.length > 0) piece = piece.subarray(await connection.write(piece));
      if (at % (packet * 8) === 0) await sleep(1);
    }
    await sleep(afterMs);
    if (half) await connection.closeWrite();
  } finally {
    if (!half) connection.close();
    else {
      await sleep(50);
      connection.close();
    }
  }
}

Deno.test({ name: "clients that leave", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { stepMs: 2 }, http: { maxConnections: 400 } });
  const endless = (stream: boolean, padding = 0) =>
    JSON.stringify({
      stream,
      messages: [{ role: "system", content: "x".repeat(Math.min(padding, 3000)) }, user("forever")],
      metadata: { padding: "y".repeat(padding) },
    });

  for (const stream of [true, false]) {
    for (
      const [name, padding, packet] of [["one packet", 0, 1 << 20], [
        "many packets",
        300_000,
        10_000,
      ]] as const
    ) {
      await t.step(`${stream ? "streamed" : "whole"}, body in ${name}`, async () => {
        const left = sendAndLeave(server.port, endless(stream, padding), packet, 150);
        await left;
        const before = performance.now();
        await assertNothingLost(server);
        assertGreater(1000, performance.now() - before);
      });
    }
  }

  await t.step("in the middle of the body, and by closing one half", async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    ));
    await sleep(20);
    connection.close();
    await sendAndLeave(server.port, endless(true), 1 << 20, 50, true);
    await assertNothingLost(server);
  });

  await t.step("before anything was read of a stream with several choices", async () => {
    const body = JSON.stringify({ stream: true, n: 4, messages: [user("forever")] });
    await Promise.all(Array.from({ length: 10 }, () => sendAndLeave(server.port, body, 1 << 20, 0)));
    await assertNothingLost(server);
  });

  await t.step("200 at random moments", async () => {
    const image = dataUrl("320x320");
    let seed = 7;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
    const kinds = [
      (stream: boolean) => ({ stream, messages: [user("say 400 words")] }),
      (stream: boolean) => ({ stream, messages: [user("x".repeat(4000))] }),
      (stream: boolean) => ({ stream, n: 3, messages: [user("forever")] }),
      (stream: boolean) => ({
        stream,
        messages: [user("say 200 words", { type: "image_url", image_url: image })],
      }),
    ];
    let finished = 0, left = 0, refused = 0;
    for (let wave = 0; wave < 8; wave++) {
      await Promise.all(Array.from({ length: 25 }, async () => {
        const leaving = new AbortController();
        const moment = random(3) === 0 ? random(10) : random(250);
        const timer = setTimeout(() => leaving.abort(), moment);
        try {
          const response = await server.chat(kinds[random(kinds.length)](random(2) === 0), {
            signal: leaving.signal,
          });
          await response.text();
          if (response.status === 200) finished++;
          else refused++;
        } catch {
          left++;
        } finally {
          clearTimeout(timer);
        }
      }));
    }
    assertEquals(finished + left + refused, 200);
    assertGreater(left, 100);
    await assertNothingLost(server);
    const answer = await (await server.chat({ messages: [user("echo: still here")] })).json();
    assertEquals(answer.choices[0].message.content, "still here");
  });

  assertEquals(server.log.filter((line) => line.includes('"failure"') || line.startsWith("failed")), []);
  await server.close();
});

Deno.test(
  { name: "health stays quick while the engine works", sanitizeOps: false, sanitizeResources: false },
  async () => {
    // A model that blocks its thread, as Deno's WebGPU does.
    const server = await startServer({ model: { blockMs: 120 } });
    const leaving = new AbortController();
    const busy = Array.from(
      { length: 4 },
      () =>
        server.chat({ stream: true, messages: [user("forever " + "x".repeat(3000))] }, {
          signal: leaving.signal,
        })
          .then((response) => response.text()).catch(() => null),
    );
    const times: number[] = [];
    for (let i = 0; i < 60; i++) {
      const before = performance.now();
      const response = await fetch(`${server.url}/health`);
      await response.body!.cancel();
      times.push(performance.now() - before);
      await sleep(10);
    }
    leaving.abort();
    await Promise.all(busy);
    times.sort((a, b) => a - b);
    assertGreater(50, times[Math.floor(times.length * 0.98)], `p98 is ${times.at(-2)} ms`);
    await server.close();
  },
);
