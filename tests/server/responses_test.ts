/** POST /v1/responses, by the openai client of npm. */

import OpenAI from "openai";
import { assert, assertEquals } from "../support/assert.ts";
import { dataUrl, startServer } from "../support/server_harness.ts";

Deno.test({ name: "responses", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ model: { stepMs: 1 } });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0, logLevel: "off" });
  const model = "valley3-demo";
  const tools: OpenAI.Responses.Tool[] = [{
    type: "function",
    name: "find",
    parameters: { type: "object", properties: {} },
    strict: false,
  }];

  await t.step("whole", async () => {
    const answer = await client.responses.create({ model, instructions: "Be brief", input: "say 3 words" });
    assertEquals([answer.output_text, answer.status, answer.usage!.output_tokens], [
      "word1 word2 word3",
      "completed",
      18,
    ]);
    const cut = await client.responses.create({ model, input: "say 3 words", max_output_tokens: 5 });
    assertEquals([cut.status, cut.incomplete_details], ["incomplete", { reason: "max_output_tokens" }]);
    const statusOf = (item: object | undefined) => (item as { status?: string } | undefined)?.status;
    assertEquals(cut.output.map(statusOf), ["incomplete"]);
    for await (
      const event of await client.responses.create({
        model,
        input: "say 3 words",
        max_output_tokens: 5,
        stream: true,
      })
    ) {
      if (event.type === "response.output_item.done") assertEquals(statusOf(event.item), "incomplete");
      if (event.type === "response.incomplete") {
        assertEquals(event.response.output.map(statusOf), ["incomplete"]);
      }
    }
    const seen = await client.responses.create({
      model,
      input: [{
        role: "user",
        content: [{ type: "input_image", image_url: dataUrl("64x64"), detail: "auto" }, {
          type: "input_text",
          text: "What?",
        }],
      }],
    });
    assertEquals(seen.output_text, "I got 4 image tokens.");
  });

  await t.step("streamed, with a thought", async () => {
    const stream = await client.responses.create({
      model,
      input: "say 10 words",
      reasoning: { effort: "high" },
      stream: true,
    });
    const types = new Set<string>();
    let text = "", thought = "", last = -1, final: OpenAI.Responses.Response | null = null;
    for await (const event of stream) {
      types.add(event.type);
      assertEquals(event.sequence_number, ++last);
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "response.reasoning_text.delta") thought += event.delta;
      if (event.type === "response.completed") final = event.response;
    }
    assertEquals(text.split(" ").length, 10);
    assertEquals(thought, "The user wrote something. I answer it.");
    assertEquals(final!.output.map((item) => item.type), ["reasoning", "message"]);
    for (
      const type of [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "output_item.done",
      ]
    ) {
      assert(types.has(`response.${type}`), type);
    }
    const helper = client.responses.stream({ model, input: "say 4 words" });
    assertEquals((await helper.finalResponse()).output_text, "word1 word2 word3 word4");
  });

  await t.step("tools there and back", async () => {
    const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: 'call find {"q": "shoes"}' }];
    const answer = await client.responses.create({ model, tools, input });
    const [call] = answer.output;
    assert(call.type === "function_call");
    assertEquals([call.name, call.arguments], ["find", '{"q": "shoes"}']);
    const streamed = await client.responses.stream({ model, tools, input }).finalResponse();
    assert(streamed.output[0].type === "function_call");
    assertEquals(streamed.output[0].arguments, call.arguments);
    const next = await client.responses.create({
      model,
      tools,
      input: [...input, ...answer.output as never[], {
        type: "function_call_output",
        call_id: call.call_id,
        output: "12 pairs",
      }],
    });
    assertEquals(next.output_text, "The tool said: 12 pairs");
  });

  await t.step("truncation: the oldest messages go, instructions and the last turn stay", async () => {
    const small = await startServer({ model: { numBlocks: 20, blockSize: 16 } }); // 320 tokens
    const said = (role: string, content: string) => ({ role, content });
    const call = { type: "function_call", call_id: "c", name: "find", arguments: "{}" };
    const result = { type: "function_call_output", call_id: "c", output: "r".repeat(40) };
    const last = said("user", "echo: hi");
    const ask = async (input: unknown[], extra: Record<string, unknown> = {}) => {
      const response = await small.post("/v1/responses", { instructions: "Be brief", input, ...extra });
      const json = await response.json();
      const text = json.output?.findLast((item: { type: string }) => item.type === "message")?.content[0]
        .text;
      return [response.status, json.error?.code ?? text, json.truncation, json.usage?.input_tokens];
    };
    const auto = { truncation: "auto" };
    const old = [said("user", "x".repeat(200)), call, result, said("assistant", "y".repeat(30))];
    const [, , , shortest] = await ask([last]);
    const [, , , some] = await ask([old[3], last]);
    const [, , , more] = await ask([...old.slice(1), last]);
    assert(more > some && some > shortest);
    assertEquals(await ask([...old, last]), [400, "context_length_exceeded", undefined, undefined]);
    assertEquals(await ask([...old, last], auto), [200, "hi", "auto", more]);
    // Room for the answer counts; the tool's result never stands without its call.
    for (const [room, prompt] of [[320 - more + 1, some], [320 - shortest, shortest]]) {
      const answer = await ask([...old, last], { ...auto, max_output_tokens: room });
      assertEquals(answer, [200, "hi", "auto", prompt]);
    }
    assertEquals(await ask([last], auto), [200, "hi", "auto", shortest]);
    assertEquals((await ask([said("user", "x".repeat(400))], auto)).slice(0, 2), [
      400,
      "context_length_exceeded",
    ]);
    await small.close();
  });

  await t.step("what is kept nowhere is refused; what routers add is taken", async () => {
    const ask = async (extra: Record<string, unknown>) => {
      const response = await server.post("/v1/responses", { input: "echo: a", ...extra });
      const json = await response.json();
      return [response.status, json.error?.param ?? null];
    };
    assertEquals(await ask({ previous_response_id: "resp_1" }), [400, "previous_response_id"]);
    assertEquals(await ask({ background: true }), [400, "background"]);
    assertEquals(await ask({ text: { format: { type: "grammar" } } }), [400, "text.format"]);
    assertEquals(await ask({ input: [] }), [400, "input"]);
    assertEquals(await ask({ input: [{ type: "item_reference", id: "x" }] }).then(([status]) => status), 400);
    assertEquals(
      await ask({ store: true, temperature: 1, priority: 0, top_k: -1, min_p: 0, repetition_penalty: 1 }),
      [200, null],
    );
  });
  assertEquals(server.log.filter((line) => line.includes('"failure"')), []);
  await server.close();
});
