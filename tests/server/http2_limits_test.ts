/** HTTP/2 and TLS: clients that send slowly, read nothing, flood or say nothing; and the way out. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { type Certificate, testTls } from "../support/certificate.ts";
import { answerTo, closed, connect, frame, sleep } from "../support/http2_client.ts";
import { DEFAULT_HTTP, type Handler, type HttpOptions, listen } from "../../src/server/http_server.ts";

async function serve(
  tls: Certificate,
  options: Partial<HttpOptions>,
  handler: Handler = () => new Response("ok"),
) {
  const failures: unknown[] = [];
  const server = await listen(
    { ...DEFAULT_HTTP, port: 0, tls, ...options },
    handler,
    (e) => failures.push(e),
  );
  return {
    port: server.port,
    close: () => server.close(),
    async end() {
      server.destroy();
      await server.close();
      assertEquals(failures, []);
    },
  };
}

const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;

/** What came until the server closed, and how long that took. */
async function untilClosed(connection: Deno.Conn, text: string): Promise<{ text: string; ms: number }> {
  const before = performance.now();
  await connection.write(new TextEncoder().encode(text));
  const decoder = new TextDecoder();
  let got = "";
  try {
    for await (const piece of connection.readable) got += decoder.decode(piece, { stream: true });
  } catch {
    // cut off without TLS's own good-bye
  }
  return { text: got, ms: performance.now() - before };
}

testTls("TLS: who is silent, or speaks no TLS, is cut off", async (tls) => {
  const server = await serve(tls, { headerSeconds: 1 });
  const plain = () => Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const [silent, http] = await Promise.all([
    untilClosed(await plain(), ""),
    untilClosed(await plain(), "GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
  ]);
  assert(silent.ms > 900 && silent.ms < 5000, `${silent.ms} ms`);
  assert(http.ms < 5000, `${http.ms} ms`);
  await server.end();
});

testTls("TLS: HTTP/1.1 on the same port keeps its time limits", async (tls) => {
  const limits = { headerSeconds: 1, requestSeconds: 2, keepAliveSeconds: 1 };
  const server = await serve(tls, limits, async (request) => {
    return new Response(await request.text().catch(() => "half"));
  });
  const ask = async (text: string, alpnProtocols?: string[]) => {
    const options = { hostname: "localhost", port: server.port, caCerts: [tls.cert], alpnProtocols };
    return await untilClosed(await Deno.connectTls(options), text);
  };
  const post = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n";
  const [header, body, ...kept] = await Promise.all([
    ask("GET / HTTP/1.1\r\nhost: x\r\na: "),
    ask(post + "a"),
    ask(post + "ab"),
    ask(post + "ab", ["http/1.1"]),
  ]);
  for (const { text, ms } of [header, body]) {
    assertMatch(text, /^HTTP\/1.1 408 /);
    assert(ms < 5000, `${ms} ms`);
  }
  for (const { text, ms } of kept) {
    assertMatch(text, /^HTTP\/1.1 200 [^]*\r\n\r\nab$/);
    assert(ms > 900 && ms < 6000, `${ms} ms`);
  }
  await server.end();
});

testTls("HTTP/2: half a body, and a connection without a stream", async (tls) => {
  let gone = 0;
  const server = await serve(
    tls,
    { headerSeconds: 1, requestSeconds: 1, keepAliveSeconds: 1 },
    async (request) => {
      request.signal.addEventListener("abort", () => gone++);
      return new Response(await request.text().catch(() => "half"));
    },
  );
  const session = await connect(server.port, tls.cert);
  const end = closed(session);
  const half = session.request({ ":method": "POST" }), whole = session.request({ ":method": "POST" });
  half.write("{");
  whole.end("{}");
  const [late, good] = await Promise.all([answerTo(half), answerTo(whole)]);
  assertEquals([late.status, JSON.parse(late.text).error.code], [408, "bad_http"]);
  assertEquals([good.status, good.text], [200, "{}"]);
  assertEquals(gone, 1);
  const { goaway, ms } = await end;
  assertEquals(goaway, 0);
  assert(ms > 1900 && ms < 6000, `${ms} ms`);
  await server.end();
});

for (const type of ["text/event-stream", "application/jsonl"]) {
  testTls(`HTTP/2: who takes nothing of ${type} is cut off, who is slow is not`, async (tls) => {
    const left = Promise.withResolvers<void>();
    let sent = 0;
    const server = await serve(tls, { stallSeconds: 1 }, (request) => {
      if (request.url.endsWith("/left")) request.signal.addEventListener("abort", () => left.resolve());
      const whole = type === "application/jsonl";
      const body = whole ? new Uint8Array(8 << 20) : new ReadableStream({
        pull(controller) {
          sent += 1 << 16;
          controller.enqueue(new Uint8Array(1 << 16));
          if (request.url.endsWith("/slow") && sent >= 4 << 20) controller.close();
        },
      });
      return new Response(body, { headers: { "content-type": type } });
    });
    const session = await connect(server.port, tls.cert);
    const stuck = session.request({ ":path": "/left" });
    stuck.on("error", () => {});
    stuck.pause();
    await left.promise;
    assert(sent < 2 << 20, `${sent} bytes`);
    sent = 0;
    const slow = session.request({ ":path": "/slow" });
    let length = 0;
    for await (const piece of slow) {
      length += piece.length;
      await sleep(piece.length / 5000);
    }
    assertEquals(length, type === "application/jsonl" ? 8 << 20 : 4 << 20);
    session.destroy();
    await server.end();
  });
}

testTls("HTTP/2: a window of 2 GiB and a client that reads nothing do not fill the memory", async (tls) => {
  let sent = 0, left = 0;
  const server = await serve(tls, { stallSeconds: 1 }, (request) => {
    request.signal.addEventListener("abort", () => left++);
    const pull = (controller: ReadableStreamDefaultController) => {
      sent += 1 << 16;
      controller.enqueue(new Uint8Array(1 << 16));
    };
    return new Response(new ReadableStream({ pull }), { headers: { "content-type": "text/event-stream" } });
  });
  const options = { hostname: "localhost", port: server.port, caCerts: [tls.cert], alpnProtocols: ["h2"] };
  const connection = await Deno.connectTls(options);
  const request = [0x82, 0x87, 0x84, 0x01, 9, ...new TextEncoder().encode("localhost")]; // GET, https, /
  await connection.write(
    new Uint8Array([
      ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      ...frame(4, 0, 0, [0, 4, 0x7f, 0xff, 0xff, 0xff]), // SETTINGS: a stream's window
      ...frame(8, 0, 0, [0x7f, 0xff, 0, 0]), // WINDOW_UPDATE of the connection
      ...[1, 3, 5].flatMap((stream) => frame(1, 5, stream, request)), // HEADERS, their end, the stream's end
    ]),
  );
  while (left < 3) await sleep(5);
  assert(sent < 4 << 20, `${sent} bytes`);
  connection.close();
  await server.end();
});

/** Answers at once, but for `/hang` when the client has left. */
function holding() {
  const held = { now: 0, most: 0 };
  const handler = async (request: Request) => {
    if (request.url.endsWith("/hang")) {
      held.most = Math.max(held.most, ++held.now);
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      held.now--;
    }
    return new Response("ok");
  };
  return { held, handler };
}

testTls("HTTP/2: a flood of resets", async (tls) => {
  const { held, handler } = holding();
  const server = await serve(tls, {}, handler);
  const flood = await connect(server.port, tls.cert);
  const end = closed(flood);
  for (let round = 0; round < 3; round++) {
    const streams = Array.from({ length: 80 }, () => flood.request({ ":path": "/hang" }));
    for (const stream of streams) stream.on("error", () => {});
    while (held.now < 80) await sleep(5);
    for (const stream of streams) stream.close(CANCEL);
    while (held.now > 0) await sleep(5);
  }
  assertEquals((await end).goaway, ENHANCE_YOUR_CALM);
  assertEquals(held.most, 80);
  await server.end();
});

testTls("HTTP/2: too many streams, too long headers", async (tls) => {
  const { held, handler } = holding();
  const server = await serve(tls, { maxConnections: 20 }, handler);
  const many = await connect(server.port, tls.cert);
  const streams = Array.from({ length: 20 }, () => many.request({ ":path": "/hang" }));
  for (const stream of streams) stream.on("error", () => {});

  const over = await answerTo(many.request({ ":path": "/" }));
  assertEquals([over.status, JSON.parse(over.text).error.code], [503, "bad_http"]);
  assertEquals(held.now, 20);
  for (const stream of streams) stream.close(CANCEL);
  while (held.now > 0) await sleep(5);

  const large = await answerTo(many.request({ ":path": "/", "x-a": "a".repeat(40_000) }));
  assertEquals([large.status, large.code], [0, ENHANCE_YOUR_CALM]);
  assertEquals((await answerTo(many.request({ ":path": "/" }))).text, "ok");
  many.destroy();
  await server.end();
});

testTls("HTTP/2: connections over the cap are closed", async (tls) => {
  const server = await serve(tls, { maxConnections: 3 });
  const sessions = await Promise.all([1, 2, 3].map(() => connect(server.port, tls.cert)));
  const over = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  assertEquals((await untilClosed(over, "")).text, "");
  for (const session of sessions) assertEquals((await answerTo(session.request({}))).text, "ok");
  for (const session of sessions) session.destroy();
  await server.end();
});

testTls("HTTP/2: at the end running streams go on, new ones are refused", async (tls) => {
  const finish = Promise.withResolvers<void>();
  const server = await serve(tls, {}, async () => {
    await finish.promise;
    return new Response("the end");
  });
  const session = await connect(server.port, tls.cert), idle = await connect(server.port, tls.cert);
  const ends = [closed(session), closed(idle)];
  const running = answerTo(session.request({}));
  await sleep(100);
  const down = server.close();
  assertEquals((await ends[1]).goaway, 0);
  assertEquals(await Promise.race([down, sleep(200).then(() => "open")]), "open");
  const refused = await fetch(`https://localhost:${server.port}/`).then(() => "taken", () => "refused");
  assertEquals(refused, "refused");
  finish.resolve();
  assertEquals((await running).text, "the end");
  await down;
  assertEquals((await ends[0]).goaway, 0);
  await server.end();
});
