/** Streamed tool calls arrive while the model still writes them: ids are given one at a time. */

import { encodeText } from "../../src/engine/fake/vocabulary.ts";
import { FakePrompt } from "../../src/engine/fake/prompt.ts";
import type { GenerationEvent } from "../../src/engine/generation.ts";
import type { AppContext } from "../../src/server/app_context.ts";
import type { Exchange } from "../../src/server/exchange.ts";
import { startAnswer } from "../../src/server/generation.ts";
import type { GenerationWishes } from "../../src/server/wishes.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { readStream, startServer, user } from "../support/server_harness.ts";

Deno.test("the name and most of the arguments are told before the last token exists", async () => {
  const text = '<tool_call>\n{"name": "find", "arguments": {"q": "red shoes"}}\n</tool_call>';
  const ids = [...encodeText(text)];
  let made = 0;
  async function* generate(): AsyncGenerator<GenerationEvent> {
    for (const id of ids) {
      made++;
      yield await Promise.resolve({ ids: [id], cachedTokens: 0, finish: null, stopId: null });
    }
    yield { ids: [], cachedTokens: 0, finish: "stop", stopId: null };
  }
  const context = {
    engine: { state: "ready", info: { eosIds: [] }, generate },
    prompt: new FakePrompt(),
  } as unknown as AppContext;
  const exchange = { note() {}, tokens() {}, caller: { key: "", salt: "" } } as unknown as Exchange;
  const wishes = { choices: 1, stop: [], stopIds: [], sampling: { seed: 0 } } as unknown as GenerationWishes;
  const prompt = { ids: new Uint32Array(1), mediaTokens: {} } as never;
  const tags = { tools: true, pieces: true, answer: null, edges: null, oneCall: false };
  const { choices: [choice] } = startAnswer(
    prompt,
    wishes,
    tags,
    context,
    exchange,
    new AbortController().signal,
  );
  const madeAt: Record<string, number> = {};
  let written = "", finish = "";
  for await (const news of choice) {
    if ("finish" in news) finish = news.finish;
    else if ("delta" in news) {
      if (news.delta.type === "arguments") written += news.delta.text;
      madeAt[`${news.delta.type}${news.delta.type === "arguments" ? written.length : ""}`] = made;
    }
  }
  assertEquals([written, finish], ['{"q": "red shoes"}', "tool_calls"]);
  assertEquals(madeAt.call, text.indexOf('find"') + 5);
  for (let length = 1; length <= written.length; length++) {
    assertEquals(madeAt[`arguments${length}`], text.indexOf("{", 15) + length, "each with its own token");
  }
});

Deno.test(
  { name: "all three routes stream calls in pieces", sanitizeOps: false, sanitizeResources: false },
  async (t) => {
    const server = await startServer({ model: { stepMs: 3 } });
    const words = 'call find {"q": "shoes", "n": [1, 2]} and call find';
    const given = ['{"q": "shoes", "n": [1, 2]}', "{}"];
    // deno-lint-ignore no-explicit-any
    const eventsOf = async (path: string, body: unknown): Promise<any[]> =>
      (await readStreamOf(await server.post(path, body))).map((line) => JSON.parse(line));
    const schema = { type: "object", properties: { q: { type: "string" } } };

    await t.step("responses", async () => {
      const tools = [{ type: "function", name: "find", parameters: schema, strict: false }];
      const events = await eventsOf("/v1/responses", { stream: true, tools, input: words });
      const of = (type: string) => events.filter((event) => event.type === type);
      const added = of("response.output_item.added");
      assertEquals(
        added.map(({ item, output_index }) => [output_index, item.type, item.name, item.arguments]),
        [
          [0, "function_call", "find", ""],
          [1, "function_call", "find", ""],
        ],
      );
      for (const [at, { item }] of added.entries()) {
        const pieces = of("response.function_call_arguments.delta").filter(({ item_id }) =>
          item_id === item.id
        );
        assertEquals(pieces.map(({ delta }) => delta).join(""), given[at]);
        if (at === 0) assert(pieces.length > 1);
      }
      assertEquals(of("response.function_call_arguments.done").map((event) => event.arguments), given);
      assertEquals(of("response.output_item.done").map(({ item }) => [item.status, item.arguments]), [
        ["completed", given[0]],
        ["completed", given[1]],
      ]);
      assertEquals(events.map(({ sequence_number }) => sequence_number), events.map((_, index) => index));
      const cut = await eventsOf("/v1/responses", {
        stream: true,
        tools,
        input: words,
        max_output_tokens: 50,
      });
      assertEquals(cut.at(-1).response.status, "incomplete");
      assertEquals(cut.at(-1).response.output[0].status, "incomplete");
    });

    await t.step("messages", async () => {
      const body = { max_tokens: 200, stream: true, messages: [user(words)] };
      const tools = [{ name: "find", input_schema: schema }];
      const events = await eventsOf("/v1/messages", { ...body, tools });
      const starts = events.filter(({ type }) => type === "content_block_start");
      assertEquals(starts.map(({ index, content_block: { type, name } }) => [index, type, name]), [
        [0, "tool_use", "find"],
        [1, "tool_use", "find"],
      ]);
      for (const at of [0, 1]) {
        const pieces = events.filter(({ type, index }) => type === "content_block_delta" && index === at);
        assertEquals(pieces.map(({ delta }) => delta.partial_json).join(""), given[at]);
        if (at === 0) assert(pieces.length > 1);
      }
      assertEquals(events.filter(({ type }) => type === "content_block_stop").map(({ index }) => index), [
        0,
        1,
      ]);
      assertEquals(events.at(-2).delta.stop_reason, "tool_use");
    });

    await t.step("a broken call: whole it is text, in pieces its arguments do not parse", async () => {
      const broken = '<tool_call>\n{"name": "find", "arguments": {"q": oops]}}\n</tool_call>';
      const tools = [{ type: "function", function: { name: "find", parameters: schema } }];
      const body = { tools, messages: [user(`echo: ${broken}`)] };
      const { choices: [choice] } = await (await server.chat(body)).json();
      assertEquals([choice.message.content, choice.finish_reason], [broken, "stop"]);
      const { chunks, done } = await readStream(await server.chat({ ...body, stream: true }));
      const calls = chunks.flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
      assertMatch(calls.map((call) => call.function.arguments).join(""), /^\{"q": oops\]\}\}\n$/);
      assertEquals([chunks.at(-1)!.choices[0].finish_reason, done], ["tool_calls", true]);
    });
    await server.close();
  },
);

async function readStreamOf(response: Response): Promise<string[]> {
  const lines = (await response.text()).split("\n");
  return lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
}
