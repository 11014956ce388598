/** The openai client of npm, unchanged. */

import OpenAI from "openai";
import { assert, assertEquals } from "../support/assert.ts";
import { dataUrl, startServer, user } from "../support/server_harness.ts";

Deno.test({ name: "openai client", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { stepMs: 1 } });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0, logLevel: "off" });
  const model = "valley3-demo";

  await t.step("chat", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "say 3 words" }],
    });
    assertEquals(answer.choices[0].message.content, "word1 word2 word3");
    assertEquals(answer.usage!.completion_tokens, 18);
  });

  await t.step("chat with a picture and a sound", async () => {
    const answer = await client.chat.completions.create({
      model,
      messages: [{
        role: "user",
        content: [
          { type: "image_url", image_url: { url: dataUrl("64x64") } },
          { type: "input_audio", input_audio: { data: btoa("1s"), format: "wav" } },
          { type: "text", text: "What is there?" },
        ],
      }],
    });
    assertEquals(answer.choices[0].message.content, "I got 4 image tokens and 13 audio tokens.");
  });

  await t.step("stream", async () => {
    const stream = await client.chat.completions.create({
      model,
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: "user", content: "say 20 words" }],
    });
    let text = "", usage = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage ||= chunk.usage?.completion_tokens ?? 0;
    }
    assertEquals(text.split(" ").length, 20);
    assertEquals(usage, text.length + 1);
  });

  await t.step("stream helper with tools", async () => {
    const stream = client.chat.completions.stream({
      model,
      tools: [{
        type: "function",
        function: { name: "find", parameters: { type: "object", properties: {} } },
      }],
      messages: [{ role: "user", content: 'call find {"q": "shoes"}' }],
    });
    const { choices: [{ message, finish_reason }] } = await stream.finalChatCompletion();
    assertEquals(finish_reason, "tool_calls");
    const call = message.tool_calls![0];
    assert(call.type === "function");
    assertEquals(JSON.parse(call.function.arguments), { q: "shoes" });
  });

  await t.step("abort", async () => {
    for (const streaming of [true, false]) {
      const leaving = new AbortController();
      setTimeout(() => leaving.abort(), 100);
      const error = await client.chat.completions.create(
        { model, stream: streaming, messages: [{ role: "user", content: "forever" }] },
        { signal: leaving.signal },
      ).then(async (answer) => {
        if (Symbol.asyncIterator in answer) { for await (const _ of answer); }
        return null;
      }).catch((error) => error);
      if (!streaming) assert(error instanceof OpenAI.APIUserAbortError);
      const stats = await server.idle();
      assertEquals(stats.freeSlots, stats.totalSlots);
    }
  });

  await t.step("errors", async () => {
    const bad = await client.chat.completions.create({
      model,
      temperature: 5,
      messages: [{ role: "user", content: "a" }],
    })
      .catch((error) => error);
    assert(bad instanceof OpenAI.BadRequestError);
    assertEquals([bad.param, bad.type], ["temperature", "invalid_request_error"]);
    const missing = await client.chat.completions.create({ model: "x", messages: [user("a")] as never })
      .catch((error) => error);
    assert(missing instanceof OpenAI.NotFoundError);
    assertEquals(missing.code, "model_not_found");
  });

  await t.step("models", async () => {
    const list = await client.models.list();
    assertEquals(list.data.map(({ id }) => id), [model]);
    assertEquals((await client.models.retrieve(model)).object, "model");
  });
  await server.close();
});
