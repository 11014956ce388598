/** The AI SDK, LangChain's ChatOpenAI and the parsing helpers of the openai client, unchanged. */

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { HumanMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { dataUrl, startServer } from "../support/server_harness.ts";

const Item = z.object({
  name: z.string().max(20),
  price: z.number().min(0),
  tags: z.array(z.enum(["new", "sale"])),
});
const model = "valley3-demo";

Deno.test({ name: "AI SDK", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { stepMs: 1 } });
  const provider = createOpenAICompatible({
    name: "valley",
    baseURL: `${server.url}/v1`,
    supportsStructuredOutputs: true,
    includeUsage: true,
  });
  const chat = provider(model);

  await t.step("generateText, with a thought", async () => {
    const { text, usage, finishReason } = await generateText({ model: chat, prompt: "say 3 words" });
    assertEquals([text, usage.outputTokens, finishReason], ["word1 word2 word3", 18, "stop"]);
    const thought = await generateText({ model: chat, prompt: "think: what is it?" });
    assertEquals(thought.reasoningText, "The user wrote something. I answer it.");
  });

  await t.step("generateText with a picture", async () => {
    const { text } = await generateText({
      model: chat,
      messages: [{
        role: "user",
        content: [{ type: "text", text: "What is it?" }, { type: "image", image: dataUrl("64x64") }],
      }],
    });
    assertEquals(text, "I got 4 image tokens.");
  });

  await t.step("streamText", async () => {
    const stream = streamText({ model: chat, prompt: "think: say 20 words" });
    let text = "", pieces = 0;
    for await (const piece of stream.textStream) text += piece, pieces++;
    assertEquals(text.split(" ").length, 20);
    assert(pieces > 1, "all at once");
    assertMatch((await stream.reasoningText)!, /The user wrote/);
    assert((await stream.usage).outputTokens! > 20);
  });

  await t.step("generateObject", async () => {
    const { object } = await generateObject({ model: chat, schema: Item, prompt: "Describe it." });
    Item.parse(object);
  });

  await t.step("tools: a call, its result, the answer", async () => {
    const asked: unknown[] = [];
    const { text, steps } = await generateText({
      model: chat,
      prompt: 'call weather {"city": "Paris"}',
      stopWhen: stepCountIs(3),
      tools: {
        weather: tool({
          description: "The weather of a city",
          inputSchema: z.object({ city: z.string() }),
          execute: (input) => {
            asked.push(input);
            return Promise.resolve("18 degrees");
          },
        }),
      },
    });
    assertEquals([asked, steps.length, text], [[{ city: "Paris" }], 2, "The tool said: 18 degrees"]);
  });
  await server.close();
});

Deno.test({ name: "LangChain ChatOpenAI", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { stepMs: 1 } });
  const chat = new ChatOpenAI({
    model,
    apiKey: "none",
    configuration: { baseURL: `${server.url}/v1` },
    maxRetries: 0,
  });

  await t.step("invoke and stream", async () => {
    assertEquals((await chat.invoke("say 3 words")).content, "word1 word2 word3");
    let text = "";
    for await (const chunk of await chat.stream("say 9 words")) text += chunk.content;
    assertEquals(text.split(" ").length, 9);
  });

  await t.step("a picture", async () => {
    const content = [
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: dataUrl("64x64") } },
    ];
    assertEquals((await chat.invoke([new HumanMessage({ content })])).content, "I got 4 image tokens.");
  });

  await t.step("withStructuredOutput and tools", async () => {
    Item.parse(await chat.withStructuredOutput(Item, { method: "jsonSchema" }).invoke("Describe it."));
    Item.parse(await chat.withStructuredOutput(Item, { method: "functionCalling" }).invoke("Describe it."));
    const weather = langchainTool(() => "18", { name: "weather", schema: z.object({ city: z.string() }) });
    const { tool_calls } = await chat.bindTools([weather]).invoke('call weather {"city": "Rome"}');
    assertEquals(tool_calls!.map(({ name, args }) => [name, args]), [["weather", { city: "Rome" }]]);
  });
  await server.close();
});

Deno.test(
  { name: "openai client: parse, responses", sanitizeOps: false, sanitizeResources: false },
  async (t) => {
    const server = await startServer({ model: { stepMs: 1 } });
    const client = new OpenAI({
      baseURL: `${server.url}/v1`,
      apiKey: "none",
      maxRetries: 0,
      logLevel: "off",
    });

    await t.step("chat.completions.parse", async () => {
      const { choices: [{ message }] } = await client.chat.completions.parse({
        model,
        messages: [{ role: "user", content: "Describe it." }],
        response_format: zodResponseFormat(Item, "item"),
      });
      Item.parse(message.parsed);
    });

    await t.step("responses.parse and responses.stream", async () => {
      const { output_parsed } = await client.responses.parse({
        model,
        input: "Describe it.",
        text: { format: zodTextFormat(Item, "item") },
      });
      Item.parse(output_parsed);
      const stream = client.responses.stream({ model, input: "say 5 words" });
      const types = new Set<string>();
      for await (const event of stream) types.add(event.type);
      assert(types.has("response.output_text.delta") && types.has("response.completed"), [...types].join());
      assertEquals((await stream.finalResponse()).output_text, "word1 word2 word3 word4 word5");
    });
    await server.close();
  },
);
