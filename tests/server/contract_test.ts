/** Lines of the contract that no other test holds: nothing that is asked for is dropped in silence. */

import { EngineError } from "../../src/engine/generation.ts";
import { toChatBody } from "../../src/server/anthropic_request.ts";
import { toApiError } from "../../src/server/errors.ts";
import { loads } from "../../src/server/metrics.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { startServer, user } from "../support/server_harness.ts";

Deno.test(
  { name: "what cannot be had is refused by name", sanitizeOps: false, sanitizeResources: false },
  async (t) => {
    const server = await startServer();
    const messages = [user("Hi")], tools: unknown[] = [];
    const refused: [string, Record<string, unknown>, string, RegExp][] = [
      ["/v1/responses", { input: "Hi", tool_choice: "required" }, "tool_choice", /no tools/],
      [
        "/v1/responses",
        { input: "Hi", tools, tool_choice: { type: "function", name: "f" } },
        "tool_choice",
        /"f"/,
      ],
      ["/v1/responses", { input: "Hi", text: { verbosity: "low" } }, "text.verbosity", /medium/],
      ["/v1/responses", { input: "Hi", n: 2 }, "n", /one answer/],
      ["/v1/responses", { input: "Hi", n: 2, stream: true }, "n", /one answer/],
      ["/v1/responses", { input: "Hi", logprobs: true }, "logprobs", /has none/],
      [
        "/v1/messages",
        { messages, max_tokens: 9, tool_choice: { type: "any" } },
        "",
        /tool_choice: .*no tools/,
      ],
      ["/v1/messages", { messages, max_tokens: 9, n: 3 }, "", /n: .*one answer/],
    ];
    for (const [path, body, param, message] of refused) {
      await t.step(`${path} ${JSON.stringify(body)}`, async () => {
        const response = await server.post(path, body);
        const { error } = await response.json();
        assertEquals(response.status, 400);
        if (param !== "") assertEquals(error.param, param);
        assertMatch(error.message, message);
      });
    }

    await t.step("neutral values pass", async () => {
      // As smg and SDKs send them.
      const added = {
        store: true,
        temperature: 1,
        priority: 0,
        top_k: -1,
        min_p: 0,
        repetition_penalty: 1,
        n: 1,
      };
      const wire = {
        input: "Hi",
        ...added,
        tool_choice: "auto",
        text: { verbosity: "medium" },
        logprobs: false,
      };
      const response = await server.post("/v1/responses", wire);
      assertEquals([response.status, response.headers.get("x-valley-ignored")], [200, null]);
      await response.body!.cancel();
      const none = await server.post("/v1/messages", {
        messages,
        max_tokens: 9,
        tool_choice: { type: "none" },
      });
      assertEquals(none.status, 200);
      await none.body!.cancel();
    });

    await t.step(
      "fields that nobody knows are named in the header and in the log, on every route",
      async () => {
        for (
          const [path, body] of [
            ["/v1/chat/completions", { messages }],
            ["/v1/chat/completions", { messages, stream: true }],
            ["/v1/completions", { prompt: "Hi", max_tokens: 3 }],
            ["/v1/responses", { input: "Hi" }],
            ["/v1/messages", { messages, max_tokens: 9 }],
            ["/v1/messages/count_tokens", { messages }],
            ["/tokenize", { messages }],
            ["/apply-template", { messages }],
          ] as const
        ) {
          const before = server.log.length;
          const response = await server.post(path, { ...body, made_up: 1 });
          await response.text();
          assertEquals([path, response.status, response.headers.get("x-valley-ignored")], [
            path,
            200,
            "made_up",
          ]);
          await server.idle();
          const line = server.log.slice(before).find((line) => line.includes('"ignored":"made_up"'));
          assertEquals([path, line !== undefined], [path, true]);
        }
      },
    );
    await server.close();
  },
);

Deno.test({ name: "cheap checks come first", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { maxSequences: 1 }, engine: { maxWaiting: 1 } });
  await t.step("a full queue refuses before the body is read, and the connection goes on", async () => {
    const leaving = new AbortController();
    const forever = { stream: true, messages: [user("forever")] };
    const running = [];
    for (let i = 0; i < 2; i++) running.push(await server.chat(forever, { signal: leaving.signal }));
    for (const body of ["no JSON", "x".repeat(20 << 20)]) {
      for (const path of ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"]) {
        const response = await server.post(path, body);
        assertEquals([response.status, response.headers.get("retry-after")], [429, "1"]);
        await response.body!.cancel();
      }
    }
    assertEquals((await server.post("/tokenize", { prompt: "Hi" }).then((r) => r.json())).count, 2);
    leaving.abort();
    await server.idle();
    assertEquals((await server.chat({ messages: [user("echo: a")] })).status, 200);
  });

  await t.step("what has too many fields or parts is refused without a look at each", async () => {
    const content = new Array(20_000).fill({});
    const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`a${n}`, n]));
    for (
      const [path, body, told] of [
        ["/v1/chat/completions", { messages: [{ role: "user", content }] }, /<=256/],
        ["/v1/chat/completions", { messages: [user("Hi")], logit_bias: wide }, /more than 4096 fields/],
        ["/v1/responses", { input: [{ role: "user", content }] }, /<=256/],
        ["/v1/messages", { max_tokens: 5, messages: [{ role: "user", content }] }, /<=256/],
        ["/v1/completions", { prompt: content }, /^prompt\[0\]: Expected a token id/],
        [
          "/detokenize",
          { tokens: [...new Array(9).fill(1), 1.5] },
          /^tokens\[9\]: Expected a token id/,
        ],
      ] as const
    ) {
      const response = await server.post(path, body);
      const { error } = await response.json();
      assertEquals(response.status, 400);
      assertMatch(error.message, told);
    }
  });
  await server.close();
});

Deno.test("a tool's failure is told, whatever its result is made of", () => {
  const result = (content: unknown) => ({
    max_tokens: 1,
    messages: [{
      role: "user",
      content: [{ type: "tool_result", tool_use_id: "1", is_error: true, content }],
    }],
  });
  for (const content of ["gone", [{ type: "text", text: "gone" }]]) {
    const [message] = toChatBody(result(content) as never).messages as { content: { text: string }[] }[];
    assertEquals(message.content.map(({ text }) => text).join(""), "Error: gone");
  }
});

Deno.test("who is busy says 429, who is out of order 503", () => {
  const told = (code: EngineError["code"]) => {
    const { status, body: { error }, headers } = toApiError(new EngineError("x", code));
    return [status, error.code, Number(new Headers(headers).get("retry-after")) > 0];
  };
  assertEquals(told("full"), [429, "queue_full", true]);
  assertEquals(told("queue_timeout"), [429, "queue_timeout", true]);
  assertEquals(told("device_lost"), [503, "device_lost", true]);
});

Deno.test("/v1/loads before the engine's first word has all fields, as numbers", () => {
  const [load] = loads(null, 0).loads;
  assertEquals(Object.values(load).every((value) => typeof value === "number"), true);
});
