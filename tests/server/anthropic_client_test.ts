/** Anthropic's SDK of npm, unchanged. */

import Anthropic from "@anthropic-ai/sdk";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { startServer } from "../support/server_harness.ts";

Deno.test({ name: "Anthropic client", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { stepMs: 1 } });
  const client = new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0, logLevel: "off" });
  const model = "valley3-demo", max_tokens = 500;
  const tools: Anthropic.Tool[] = [{
    name: "find",
    description: "Finds",
    input_schema: { type: "object", properties: {} },
  }];

  await t.step("message", async () => {
    const answer = await client.messages.create({
      model,
      max_tokens,
      system: "Be brief",
      messages: [{ role: "user", content: "say 3 words" }],
    });
    assertMatch(answer.id, /^msg_/);
    assertEquals(answer.content, [{ type: "text", text: "word1 word2 word3" } as never]);
    assertEquals([answer.stop_reason, answer.usage.output_tokens], ["end_turn", 18]);
  });

  await t.step("picture, length, stop sequence", async () => {
    const source = { type: "base64", media_type: "image/png", data: btoa("64x64") } as const;
    const seen = await client.messages.create({
      model,
      max_tokens,
      messages: [{
        role: "user",
        content: [{ type: "image", source }, { type: "text", text: "What is there?" }],
      }],
    });
    assertEquals(seen.content[0], { type: "text", text: "I got 4 image tokens." } as never);
    const short = await client.messages.create({
      model,
      max_tokens: 5,
      messages: [{ role: "user", content: "say 3 words" }],
    });
    assertEquals(short.stop_reason, "max_tokens");
    const stopped = await client.messages.create({
      model,
      max_tokens,
      stop_sequences: ["word2"],
      messages: [{ role: "user", content: "say 3 words" }],
    });
    assertEquals([stopped.stop_reason, stopped.stop_sequence], ["stop_sequence", "word2"]);
  });

  await t.step("stream with a thought", async () => {
    const stream = client.messages.stream({
      model,
      max_tokens,
      thinking: { type: "enabled", budget_tokens: 1024 },
      messages: [{ role: "user", content: "say 10 words" }],
    });
    let text = "";
    stream.on("text", (piece) => text += piece);
    const answer = await stream.finalMessage();
    assertEquals(text.split(" ").length, 10);
    assertEquals(answer.content.map((block) => block.type), ["thinking", "text"]);
    assert(answer.content[0].type === "thinking");
    assertEquals(answer.content[0].thinking, "The user wrote something. I answer it.");
    assertEquals(answer.stop_reason, "end_turn");
  });

  await t.step("tools, whole and streamed, and back", async () => {
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: 'call find {"q": "shoes"}' }];
    const answer = await client.messages.create({ model, max_tokens, tools, messages });
    assertEquals(answer.stop_reason, "tool_use");
    const [call] = answer.content;
    assert(call.type === "tool_use");
    assertEquals([call.name, call.input], ["find", { q: "shoes" }]);
    const streamed = await client.messages.stream({ model, max_tokens, tools, messages }).finalMessage();
    assert(streamed.content[0].type === "tool_use");
    assertEquals(streamed.content[0].input, { q: "shoes" });
    const next = await client.messages.create({
      model,
      max_tokens,
      tools,
      messages: [
        ...messages,
        { role: "assistant", content: answer.content },
        { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "12 pairs" }] },
      ],
    });
    assertEquals(next.content[0], { type: "text", text: "The tool said: 12 pairs" } as never);
  });

  await t.step("counting, and errors in their shape", async () => {
    const { input_tokens } = await client.messages.countTokens({
      model,
      messages: [{ role: "user", content: "hi" }],
    });
    assert(input_tokens > 2);
    const missing = await client.messages.create({
      model: "x",
      max_tokens,
      messages: [{ role: "user", content: "hi" }],
    }).catch((error) => error);
    assert(missing instanceof Anthropic.NotFoundError);
    const bad = await server.post("/v1/messages", { messages: [{ role: "user", content: "hi" }] });
    assertEquals([bad.status, await bad.json()], [400, {
      type: "error",
      error: {
        type: "invalid_request_error",
        message: "max_tokens: Invalid input: expected number, received undefined",
      },
    }]);
  });

  await t.step("abort", async () => {
    const leaving = new AbortController();
    setTimeout(() => leaving.abort(), 100);
    await client.messages.create({
      model,
      max_tokens: 5000,
      messages: [{ role: "user", content: "forever" }],
    }, { signal: leaving.signal })
      .catch((error) => error);
    const stats = await server.idle();
    assertEquals(stats.freeSlots, stats.totalSlots);
  });
  assertEquals(server.log.filter((line) => line.includes('"failure"')), []);
  await t.step("a tool that must be used; a format; a budget", async () => {
    const used = await client.messages.create({
      model,
      max_tokens,
      tools,
      tool_choice: { type: "tool", name: "find" },
      messages: [{ role: "user", content: "Go." }],
    });
    assertEquals([used.stop_reason, used.content[0].type], ["tool_use", "tool_use"]);
    const formed = await client.messages.create({
      model,
      max_tokens,
      output_config: {
        format: {
          type: "json_schema",
          schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
        },
      },
      messages: [{ role: "user", content: "Go." }],
    });
    assert(formed.content[0].type === "text" && Number.isInteger(JSON.parse(formed.content[0].text).n));
    const thought = await client.messages.create({
      model,
      max_tokens: 2000,
      thinking: { type: "enabled", budget_tokens: 1024 },
      messages: [{ role: "user", content: "Go." }],
    });
    assertEquals(thought.content.map(({ type }) => type), ["thinking", "text"]);
  });
  await server.close();
});
