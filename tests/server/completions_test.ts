/** POST /v1/completions. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { startServer } from "../support/server_harness.ts";

Deno.test({ name: "completions", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer();
  const ask = async (body: Record<string, unknown>) => {
    const response = await server.post("/v1/completions", body);
    return { status: response.status, json: await response.json() };
  };
  const prompt = "<|im_start|>user\necho:  hi there<|im_end|>\n<|im_start|>assistant\n";
  const ids = [
    256,
    ...new TextEncoder().encode("user\necho:  hi there"),
    257,
    10,
    256,
    ...new TextEncoder().encode("assistant\n"),
  ];

  await t.step("text, ids, several", async () => {
    const one = await ask({ prompt: ids });
    assertEquals([one.json.object, one.json.choices], ["text_completion", [{
      index: 0,
      text: " hi there",
      logprobs: null,
      finish_reason: "stop",
    }]]);
    assertMatch(one.json.id, /^cmpl-/);
    const several = await ask({ prompt: [ids, ids], n: 2, max_tokens: 2 });
    assertEquals(several.json.choices.map((choice: { text: string }) => choice.text), [
      " h",
      " h",
      " h",
      " h",
    ]);
    assertEquals(several.json.usage.completion_tokens, 8);
    assertEquals((await ask({ prompt, max_tokens: 3 })).status, 200); // text is text: control tokens are not read from it
  });

  await t.step("a text over the context is refused before all of it is encoded", async () => {
    for (const prompt of ["a".repeat(8193), ["a", "word ".repeat(200_000)]]) {
      const { status, json: { error } } = await ask({ prompt });
      assertEquals([status, error.code, error.param], [400, "context_length_exceeded", "prompt"]);
      assertMatch(error.message, /context of 8192 tokens/);
    }
  });

  await t.step("streamed", async () => {
    const response = await server.post("/v1/completions", {
      prompt: ids,
      stream: true,
      stream_options: { include_usage: true },
    });
    const events = (await response.text()).trim().split("\n\n").map((line) => line.slice(6));
    assertEquals(events.at(-1), "[DONE]");
    const chunks = events.slice(0, -1).map((line) => JSON.parse(line));
    assertEquals(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), " hi there");
    assertEquals(chunks.at(-1).usage.completion_tokens, 10);
  });

  await t.step("log-probabilities", async () => {
    const { json } = await ask({ prompt: ids, logprobs: 1, max_tokens: 3 });
    assertEquals(json.choices[0].logprobs, {
      tokens: [" ", "h", "i"],
      token_logprobs: [0, 0, 0],
      top_logprobs: [{ " ": -0 }, { h: -0 }, { i: -0 }].map((top) =>
        Object.fromEntries(Object.keys(top).map((key) => [key, 0]))
      ),
      text_offset: [0, 1, 2],
    });
  });

  await t.step("bad input", async () => {
    for (
      const [body, param] of [
        [{}, "prompt"],
        [{ prompt: "" }, "prompt"],
        [{ prompt: [] }, "prompt"],
        [{ prompt: [263] }, "prompt"],
        [{ prompt: ["a", "b", "c"], n: 3 }, "n"],
        [{ prompt: "a", echo: true }, "echo"],
        [{ prompt: "a", suffix: "b" }, "suffix"],
        [{ prompt: "a", model: "b" }, "model"],
      ] as [Record<string, unknown>, string][]
    ) {
      const { status, json } = await ask(body);
      assertEquals([status >= 400 && status < 500, json.error?.param], [true, param], JSON.stringify(body));
    }
  });
  const stats = await server.idle();
  assertEquals(stats.freeSlots, stats.totalSlots);
  await server.close();
});
