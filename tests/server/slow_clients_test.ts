/** Clients that send slowly, read nothing, or are too many: they are cut off, others are served. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { DEFAULT_HTTP, listen } from "../../src/server/http_server.ts";
import { startServer, type TestServer, user } from "../support/server_harness.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function open(server: TestServer, text: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode(text));
  return connection;
}

/** What came until the server closed, and how long that took. */
async function untilClosed(connection: Deno.TcpConn): Promise<{ text: string; ms: number }> {
  const before = performance.now();
  const text = await new Response(connection.readable).text().catch(() => "");
  return { text, ms: performance.now() - before };
}

Deno.test({ name: "slow clients", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({
    http: { headerSeconds: 1, requestSeconds: 2, maxConnections: 60 },
  });
  const ask = async () =>
    (await (await server.chat({ messages: [user("echo: hi")] })).json()).choices[0].message.content;

  await t.step("half a header, half a body", async () => {
    const header = await open(server, "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n");
    const body = await open(
      server,
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{",
    );
    const [first, second] = await Promise.all([untilClosed(header), untilClosed(body)]);
    for (const { text, ms } of [first, second]) {
      assertMatch(text, /^HTTP\/1.1 408 /);
      assert(ms < 5000, `${ms} ms`);
    }
  });

  await t.step("what is no HTTP", async () => {
    for (const text of ["WRONG / HTTP/1.1\r\n\r\n", "\u0000\u0001\u0002\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"]) {
      const answer = await untilClosed(await open(server, text));
      assert(answer.text === "" || /^HTTP\/1.1 (400|505) /.test(answer.text), answer.text);
    }
    assertEquals(await ask(), "hi");
  });

  await t.step("connections over the cap are closed, those within are served", async () => {
    const held: Deno.TcpConn[] = [];
    for (let i = 0; i < 100; i++) {
      const connection = await open(server, "GET /health HTTP/1.1\r\n").catch(() => null);
      if (connection !== null) held.push(connection);
    }
    await sleep(2500); // their headers are late by now
    assertEquals(await ask(), "hi");
    for (const connection of held) connection.close();
  });
  await server.close();
});

Deno.test(
  { name: "a reader that takes nothing is cut off", sanitizeOps: false, sanitizeResources: false },
  async () => {
    const cancelled = Promise.withResolvers<void>();
    let sent = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 1 << 16;
            controller.enqueue(new Uint8Array(1 << 16));
          },
          cancel: () => cancelled.resolve(),
        }),
        { headers: { "content-type": "text/event-stream" } },
      );
    const server = await listen({ ...DEFAULT_HTTP, port: 0, stallSeconds: 1 }, endless, () => {});
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    await cancelled.promise;
    assert(sent < 64 << 20, `${sent} bytes`); // what the sockets hold, not more
    connection.close();
    server.destroy();
    await server.close();
  },
);

Deno.test(
  {
    name: "so is one that leaves a whole answer; a slow one gets it",
    sanitizeOps: false,
    sanitizeResources: false,
  },
  async () => {
    const left = Promise.withResolvers<void>();
    const large = (request: Request) => {
      if (request.url.endsWith("/left")) request.signal.addEventListener("abort", () => left.resolve());
      return new Response(new Uint8Array(24 << 20), { headers: { "content-type": "application/jsonl" } });
    };
    const server = await listen({ ...DEFAULT_HTTP, port: 0, stallSeconds: 1 }, large, () => {});
    const ask = async (path: string) => {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await connection.write(
        new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      );
      return connection;
    };
    const stuck = await ask("/left");
    await left.promise;
    stuck.close();
    // Longer than the time of a stall in all, but never still for so long.
    const slow = await ask("/slow"), piece = new Uint8Array(1 << 20);
    let length = 0;
    for (let read = await slow.read(piece); read !== null; read = await slow.read(piece)) {
      length += read;
      await sleep(Math.min(100, read / 5000));
    }
    assert(length > 24 << 20, `${length} bytes`);
    slow.close();
    server.destroy();
    await server.close();
  },
);
