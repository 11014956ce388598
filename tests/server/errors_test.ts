/** Every refusal has OpenAI's shape, the right status, and names the field. */

import { assertEquals, assertGreater } from "../support/assert.ts";
import { readStream, startServer, user } from "../support/server_harness.ts";
import { ROUTES } from "../../src/server/routes.ts";

const hi = [user("echo: hi")];

Deno.test({ name: "errors", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer();
  const fails = async (
    body: unknown,
    init?: RequestInit,
  ): Promise<[number, string | null, string | null]> => {
    const response = await server.post("/v1/chat/completions", body, init);
    const { error } = await response.json();
    assertEquals(Object.keys(error).sort(), ["code", "message", "param", "type"]);
    return [response.status, error.code, error.param];
  };

  await t.step("fields", async () => {
    const cases: [Record<string, unknown>, string][] = [
      [{}, "messages"],
      [{ messages: [] }, "messages"],
      [{ messages: "hi" }, "messages"],
      [{ messages: [{ role: "user" }] }, "messages[0].content"],
      [{ messages: [{ role: "robot", content: "hi" }] }, "messages[0].role"],
      [{ messages: [{ content: "hi" }] }, "messages[0].role"],
      [{ messages: [...hi, { role: "user", content: [{ type: "text" }] }] }, "messages[1].content[0].text"],
      [
        { messages: [{ role: "user", content: [{ type: "image_url", image_url: { link: "x" } }] }] },
        "messages[0].content[0].image_url.url",
      ],
      [{ messages: hi, temperature: -1 }, "temperature"],
      [{ messages: hi, temperature: 2.1 }, "temperature"],
      [{ messages: hi, temperature: "1" }, "temperature"],
      [{ messages: hi, top_p: 1.1 }, "top_p"],
      [{ messages: hi, top_k: 1.5 }, "top_k"],
      [{ messages: hi, min_p: 2 }, "min_p"],
      [{ messages: hi, n: 0 }, "n"],
      [{ messages: hi, n: 9 }, "n"],
      [{ messages: hi, max_tokens: 0 }, "max_tokens"],
      [{ messages: hi, max_tokens: 1e30 }, "max_tokens"],
      [{ messages: hi, max_tokens: 4, max_completion_tokens: 5 }, "max_tokens"],
      [{ messages: hi, stop: ["a", "b", "c", "d", "e"] }, "stop"],
      [{ messages: hi, stop: "x".repeat(65) }, "stop"],
      [{ messages: hi, stop: "" }, "stop"],
      [{ messages: hi, stream: "yes" }, "stream"],
      [{ messages: hi, seed: 1.5 }, "seed"],
      [{ messages: hi, reasoning_effort: "extreme" }, "reasoning_effort"],
      [{ messages: hi, tools: [{ type: "function" }] }, "tools[0].function"],
      [{ messages: hi, tool_choice: "required" }, "tool_choice"],
      [{ messages: hi, cache_salt: "a b" }, "cache_salt"],
      [{ messages: hi, chat_template_kwargs: { foo: 1 } }, "chat_template_kwargs.foo"],
      [{ messages: hi, top_logprobs: 3 }, "top_logprobs"],
      [{ messages: hi, logprobs: true, top_logprobs: 21 }, "top_logprobs"],
      [{ messages: hi, logit_bias: { "5": 101 } }, "logit_bias.5"],
      [{ messages: hi, logit_bias: { "263": 1 } }, "logit_bias"],
      [
        { messages: hi, logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, i) => [i, 1])) },
        "logit_bias",
      ],
      [{ messages: hi, presence_penalty: 2.5 }, "presence_penalty"],
      [{ messages: hi, best_of: 2 }, "best_of"],
      [{ messages: hi, chat_template: "{{ x }}" }, "chat_template"],
      [{ messages: hi, guided_regex: "a(" }, "guided_regex"],
    ];
    for (const [body, param] of cases) {
      const [status, , named] = await fails(body);
      assertEquals([status, named], [400, param], JSON.stringify(body));
    }
  });

  await t.step("values at the borders are taken", async () => {
    for (
      const extra of [
        { temperature: 0 },
        { temperature: 2 },
        { top_p: 1 },
        { top_p: 0 },
        { top_k: -1 },
        { n: 8 },
        { stop: ["a", "b", "c", "x".repeat(64)] },
        { seed: -1 },
        { max_tokens: 8000 },
        { max_tokens: null, temperature: null, stop: null, tools: null },
        { store: true, top_k: -1, min_p: 0, repetition_penalty: 1, priority: 0, logprobs: false }, // what smg adds
        { no_stop_trim: false, skip_special_tokens: true, separate_reasoning: true, stream_reasoning: true },
      ]
    ) {
      const response = await server.chat({ messages: hi, ...extra });
      assertEquals(response.status, 200, JSON.stringify(extra));
      await response.body!.cancel();
    }
  });

  await t.step("bodies", async () => {
    const code = async (body: unknown, init?: RequestInit) => (await fails(body, init)).slice(0, 2);
    assertEquals(await code(""), [400, "invalid_json"]);
    assertEquals(await code("{"), [400, "invalid_json"]);
    assertEquals(await code("[]"), [400, "invalid_value"]);
    assertEquals(await code("null"), [400, "invalid_value"]);
    for (
      const [part, most, name] of [["[],", 140_000, "json_too_large"], [
        '{"a":0},',
        70_000,
        "json_too_large",
      ]] as const
    ) {
      assertEquals(await code(`{"x": [${part.repeat(most)}0]}`), [400, name]);
    }
    assertEquals(await code(`{"x": "${"\\n".repeat(5_000_000)}"}`), [400, "json_too_large"]);
    const keys = (count: number) => Array.from({ length: count }, (_, i) => `"${i}": 0`).join();
    assertEquals(await code(`{"x": {${keys(5000)}}}`), [400, "json_too_wide"]);
    // What stands in strings, whatever it is, and however the bytes are cut, does not count.
    const held = `{"user": "${'[{\\"\\\\,:é'.repeat(40_000)}", "messages": 1}`;
    assertEquals(await code(held), [400, "invalid_value"]);
    assertEquals(await code('{"messages": ' + "[".repeat(40) + "]".repeat(40) + "}"), [400, "json_too_deep"]);
    assertEquals(await code("", { body: new Uint8Array([0x22, 0xff, 0x22]) }), [400, "invalid_json"]);
    const type = { headers: { "content-type": "text/plain" } };
    assertEquals(await code(JSON.stringify({ messages: hi }), type), [415, "unsupported_media_type"]);
    assertEquals(await code(JSON.stringify({ messages: new Array(257).fill(hi[0]) })), [
      400,
      "invalid_value",
    ]);
    const large = new Uint8Array((48 << 20) + 1).fill(0x20);
    assertEquals(await code("", { body: large }), [413, "body_too_large"]);
  });

  await t.step("a body without a length is counted too", async () => {
    const pieces = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 50; i++) controller.enqueue(new Uint8Array(1 << 20));
        controller.close();
      },
    });
    const response = await server.post("/v1/chat/completions", "", { body: pieces }).catch(() => null);
    if (response !== null) { // the connection may be closed before the client has read the answer
      assertEquals(response.status, 413);
      await response.body?.cancel();
    }
  });

  await t.step("models, context, addresses, methods", async () => {
    assertEquals(await fails({ model: "gpt-4", messages: hi }), [404, "model_not_found", "model"]);
    assertEquals(await fails({ messages: [user("x".repeat(9000))] }), [
      400,
      "context_length_exceeded",
      "messages",
    ]);
    assertEquals(await fails({ messages: hi, max_tokens: 8192 }), [
      400,
      "context_length_exceeded",
      "messages",
    ]);
    for (
      const path of [
        "/v1",
        "/v1/embeddings",
        "/version",
        "/server_info",
        "//v1/chat",
        "/v1/chat/completions/render",
      ]
    ) {
      for (const method of ["GET", "POST"]) {
        const response = await fetch(server.url + path, { method });
        assertEquals([path, response.status, (await response.json()).error.code], [path, 404, "not_found"]);
      }
    }
    for (const { path, method } of ROUTES) {
      const address = server.url + path.replace(/:id(\{.*\})?/, "valley3-demo");
      const wrong = await fetch(address, { method: "PUT" });
      assertEquals([wrong.status, (await wrong.json()).error.type], [405, "invalid_request_error"]);
      assertEquals(wrong.headers.get("allow")?.split(", ").includes(method), true, path);
      if (method === "POST" && !path.endsWith("/cancel")) {
        const empty = await fetch(address, { method });
        assertEquals(empty.status, 415);
        await empty.body!.cancel();
      }
    }
    for (const method of ["TRACE", "TRACK", "WRONG"]) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await connection.write(
        new TextEncoder().encode(`${method} /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      );
      const answer = await new Response(connection.readable).text();
      assertEquals(/^HTTP\/1.1 (405|400) /.test(answer), true, answer); // what is no method is not even parsed
    }
    const one = await fetch(`${server.url}/v1/models/valley3-demo`);
    assertEquals([one.status, (await one.json()).max_model_len], [200, 8192]);
    const none = await fetch(`${server.url}/v1/models/other`);
    assertEquals([none.status, (await none.json()).error.code], [404, "model_not_found"]);
  });

  await t.step("effort of a model without it", async () => {
    const plain = await startServer({ card: { reasoning: "none" } });
    const ask = (extra: Record<string, unknown>) => plain.chat({ messages: hi, ...extra });
    for (
      const extra of [{ reasoning_effort: "high" }, { reasoning: { effort: "low" } }, {
        chat_template_kwargs: { enable_thinking: true },
      }]
    ) {
      const response = await ask(extra);
      assertEquals([response.status, (await response.json()).error.code], [400, "reasoning_unsupported"]);
    }
    for (
      const extra of [{ reasoning_effort: "none" }, { chat_template_kwargs: { enable_thinking: false } }, {}]
    ) {
      const response = await ask(extra);
      assertEquals(response.status, 200);
      await response.body!.cancel();
    }
    await plain.close();
  });

  await t.step("a full queue is 429 with Retry-After, at once", async () => {
    const small = await startServer({
      model: { maxSequences: 1 },
      engine: { maxWaiting: 2, maxWaitingPerKey: 2 },
    });
    const leaving = new AbortController();
    const running = Array.from(
      { length: 3 },
      () => small.chat({ stream: true, messages: [user("forever")] }, { signal: leaving.signal }),
    );
    for (const response of await Promise.all(running)) assertEquals(response.status, 200);
    const before = performance.now();
    const refused = await small.chat({ messages: hi });
    assertEquals([refused.status, (await refused.json()).error.code], [429, "queue_full"]);
    assertGreater(Number(refused.headers.get("retry-after")), 0);
    assertGreater(500, performance.now() - before);
    leaving.abort();
    await small.idle();
    await small.close();
  });

  await t.step("draining: not ready, still working; then refused", async () => {
    server.setClosing("soon");
    const health = await fetch(`${server.url}/health`);
    assertEquals([health.status, health.headers.get("retry-after")], [503, "2"]);
    await health.body!.cancel();
    assertEquals((await fetch(`${server.url}/livez`)).status, 200);
    assertEquals((await (await server.chat({ messages: hi })).json()).choices[0].message.content, "hi");
    server.setClosing("now");
    const refused = await server.chat({ messages: hi });
    assertEquals([refused.status, (await refused.json()).error.code], [503, "draining"]);
    server.setClosing("no");
  });

  await t.step("a lost device: in-band in streams, 503 before; then all is well again", async () => {
    const fragile = await startServer({ model: { loseAtStep: 64, stepMs: 1 } });
    const streamed = fragile.chat({ stream: true, messages: [user("forever")] }).then(readStream);
    const whole = await fragile.chat({ messages: [user("forever")] });
    assertEquals([whole.status, (await whole.json()).error.code], [503, "device_lost"]);
    const { chunks, done } = await streamed;
    assertEquals([done, chunks.at(-1)!.error!.code], [false, "device_lost"]);
    for (let tries = 0; tries < 100 && fragile.engine.state !== "ready"; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals((await (await fragile.chat({ messages: hi })).json()).choices[0].message.content, "hi");
    await fragile.close();
  });

  await t.step("no failures in the log", () => {
    assertEquals(server.log.filter((line) => line.includes('"failure"') || line.startsWith("failed")), []);
  });
  await server.close();
});
