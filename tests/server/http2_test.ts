/** HTTP/2 over TLS: the same answers as by HTTP/1.1, and clients that leave. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { testTls } from "../support/certificate.ts";
import { answerTo, chat, connect, sleep } from "../support/http2_client.ts";
import { startServer, user } from "../support/server_harness.ts";

testTls("HTTP/2: chat", async (tls, t) => {
  const server = await startServer({ model: { stepMs: 2 }, http: { tls }, hosts: ["localhost"] });
  const session = await connect(server.port, tls.cert);
  const content = ({ text }: { text: string }) => JSON.parse(text).choices[0].message.content;

  const streamed = ({ text }: { text: string }) => {
    const events = text.split("\n\n").map((line) => line.slice("data: ".length));
    assertEquals(events.splice(-2), ["[DONE]", ""]);
    return events.map((event) => JSON.parse(event).choices[0].delta.content ?? "").join("");
  };

  await t.step("whole and streamed, several at once on one connection", async () => {
    const bodies = [false, true, false, true].map((stream, i) => ({
      stream,
      messages: [user(`echo: number ${i}`)],
    }));
    const answers = await Promise.all(bodies.map((body) => answerTo(chat(session, body))));
    for (const [i, answer] of answers.entries()) {
      assertEquals([answer.status, answer.code], [200, 0]);
      assertEquals([answer.headers.connection, answer.headers["transfer-encoding"]], [undefined, undefined]);
      assertMatch(
        String(answer.headers["content-type"]),
        i % 2 ? /^text\/event-stream/ : /^application\/json/,
      );
      if (i % 2 === 0) assertEquals(content(answer), `number ${i}`);
      else assertEquals(streamed(answer), `number ${i}`);
    }
  });

  await t.step("Deno's fetch, told to use nothing else", async () => {
    const client = Deno.createHttpClient({ caCerts: [tls.cert], http1: false });
    const response = await fetch(`https://localhost:${server.port}/v1/chat/completions`, {
      client,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: [user("echo: " + "long ".repeat(20_000))] }),
    });
    assertEquals(response.status, 400); // longer than the context
    assertEquals((await response.json()).error.type, "invalid_request_error");
    client.close();
  });

  await t.step("a foreign host name is refused", async () => {
    const stream = session.request({ ":path": "/health", ":authority": "evil.test" });
    assertEquals((await answerTo(stream)).status, 403);
  });

  for (const stream of [true, false]) {
    for (const padding of [0, 300_000]) {
      await t.step(`one leaves: ${stream ? "streamed" : "whole"}, body of ${padding} bytes`, async () => {
        const stays = chat(session, { stream: true, messages: [user("say 400 words")] });
        const stayed = answerTo(stays);
        const leaves = chat(session, {
          stream,
          messages: [user("forever")],
          metadata: { padding: "y".repeat(padding) },
        });
        await sleep(200);
        const before = performance.now();
        leaves.close(8); // CANCEL
        while ((await server.engine.stats())!.running > 1) await sleep(5);
        assert(performance.now() - before < 1000);
        stays.close();
        await stayed;
        const stats = await server.idle();
        assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
      });
    }
  }

  await t.step("the whole connection leaves", async () => {
    const other = await connect(server.port, tls.cert);
    for (let i = 0; i < 6; i++) chat(other, { stream: i % 2 === 0, messages: [user("forever")] });
    await sleep(100);
    other.destroy();
    const stats = await server.idle();
    assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
    assertEquals(content(await answerTo(chat(session, { messages: [user("echo: on")] }))), "on");
  });

  assertEquals(server.log.filter((line) => line.includes('"failure"') || line.startsWith("failed")), []);
  session.destroy();
  await server.close();
});
