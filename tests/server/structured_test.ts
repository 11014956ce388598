/** Constrained output over a socket: every spelling, tools that must be called, thoughts before, refusals. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { readStream, startServer, type TestServer, user } from "../support/server_harness.ts";

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 2, maxLength: 12 },
    price: { type: "number", minimum: 0, maximum: 100 },
    tags: { type: "array", items: { enum: ["new", "sale"] }, minItems: 1, maxItems: 2 },
  },
  required: ["name", "price", "tags"],
  additionalProperties: false,
};
const TOOLS = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: {
        type: "object",
        properties: { city: { type: "string", minLength: 1 } },
        required: ["city"],
      },
    },
  },
  { type: "function", function: { name: "now" } },
];

interface Answer {
  content: string | null;
  reasoning?: string;
  tool_calls?: { function: { name: string; arguments: string } }[];
}

const STEPS: [string, (server: TestServer) => Promise<void>][] = [];
const step = (name: string, run: (server: TestServer) => Promise<void>) => void STEPS.push([name, run]);

async function answer(
  server: TestServer,
  body: Record<string, unknown>,
): Promise<Answer & { finish: string }> {
  const response = await server.chat({ messages: [user("Tell me.")], max_tokens: 300, ...body });
  const { choices, error } = await response.json();
  assertEquals(response.status, 200, JSON.stringify(error));
  return { ...choices[0].message, finish: choices[0].finish_reason };
}

step("every spelling of a rule holds the answer to it", async (server) => {
  const isItem = (text: string) => {
    const item = JSON.parse(text);
    assertEquals(Object.keys(item), ["name", "price", "tags"]);
    assert(item.name.length >= 2 && item.price >= 0 && item.price <= 100 && item.tags.length >= 1, text);
  };
  const isObject = (text: string) => assertEquals(typeof JSON.parse(text), "object");
  const cases: [Record<string, unknown>, (text: string) => void][] = [
    [{
      response_format: { type: "json_schema", json_schema: { name: "item", strict: true, schema: SCHEMA } },
    }, isItem],
    [{ response_format: { type: "json_object" } }, isObject],
    [{ structured_outputs: { json: SCHEMA } }, isItem],
    [{ structured_outputs: { json_object: true } }, isObject],
    [{ guided_json: JSON.stringify(SCHEMA) }, isItem],
    [{ json_schema: JSON.stringify(SCHEMA) }, isItem],
    [{ structured_outputs: { regex: "[A-Z]{3}-\\d{2}" } }, (text) => assertMatch(text, /^[A-Z]{3}-\d{2}$/)],
    [{ guided_regex: "(yes|no)!" }, (text) => assertMatch(text, /^(yes|no)!$/)],
    [{ structured_outputs: { choice: ["blue", "red"] } }, (text) => assertMatch(text, /^(blue|red)$/)],
    [{ guided_choice: ['a "b"', "ç"] }, (text) => assert(['a "b"', "ç"].includes(text), text)],
    [
      { structured_outputs: { grammar: 'root ::= "x" y\ny ::= [0-9]+ "."' } },
      (text) => assertMatch(text, /^x\d+\.$/),
    ],
    [{ ebnf: 'root ::= "only"' }, (text) => assertEquals(text, "only")],
  ];
  for (const [body, check] of cases) {
    const { content, finish } = await answer(server, body);
    assertEquals(finish, "stop", JSON.stringify(body));
    check(content!);
  }
  // The model's own answer stands where the rule allows it.
  const own = await answer(server, { messages: [user("json")], response_format: { type: "json_object" } });
  assertEquals(own.content, '{"ok": true, "items": [1, 2, 3]}');
  // Choices are drawn each by itself.
  const response = await server.chat({ messages: [user("Hi")], n: 3, guided_choice: ["left", "right"] });
  const { choices } = await response.json();
  assertEquals(choices.map(({ message }: { message: Answer }) => message.content), [
    "left",
    "left",
    "left",
  ]);
});

step("a thought comes first, whatever the answer must look like", async (server) => {
  const format = { type: "json_schema", json_schema: { schema: SCHEMA } };
  for (
    const extra of [{ reasoning_effort: "high" }, { reasoning_effort: "minimal" }, {
      thinking_token_budget: 9,
    }]
  ) {
    const { content, reasoning = "" } = await answer(server, { response_format: format, ...extra });
    assertEquals(Object.keys(JSON.parse(content!)), ["name", "price", "tags"]);
    assertEquals(reasoning !== "", extra.reasoning_effort !== "minimal", JSON.stringify(extra));
  }
});

step("what is cut says so", async (server) => {
  const { content, finish } = await answer(server, {
    messages: [user("forever")],
    guided_regex: "[la ]{500}",
    max_tokens: 20,
  });
  assertEquals([content!.length, finish], [20, "length"]);
});

step("tools that must be called are called, with arguments of their schema", async (server) => {
  const required = await answer(server, { tools: TOOLS, tool_choice: "required" });
  assertEquals(required.finish, "tool_calls");
  for (const { function: { name, arguments: given } } of required.tool_calls!) {
    assert(["weather", "now"].includes(name) && typeof JSON.parse(given) === "object", given);
  }
  const named = await answer(server, {
    tools: TOOLS,
    tool_choice: { type: "function", function: { name: "now" } },
  });
  assertEquals(named.tool_calls!.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), [
    ["now", {}],
  ]);
  const own = await answer(server, {
    messages: [user('call weather {"city": "Paris"} and call now')],
    tools: TOOLS,
    tool_choice: "required",
  });
  assertEquals(own.tool_calls!.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), [
    ["weather", { city: "Paris" }],
    ["now", {}],
  ]);
  const one = await answer(server, {
    messages: [user('call weather {"city": "Paris"} and call now')],
    tools: TOOLS,
    tool_choice: "required",
    parallel_tool_calls: false,
  });
  assertEquals(one.tool_calls!.length, 1);
  // With a format as well, either of them is an answer.
  const either = await answer(server, {
    messages: [user('call weather {"city": "Oslo"}')],
    tools: TOOLS,
    response_format: { type: "json_object" },
  });
  assertEquals(either.tool_calls!.length, 1);
  const streamed = await server.chat({
    messages: [user("Go.")],
    tools: TOOLS,
    tool_choice: { type: "function", function: { name: "weather" } },
    stream: true,
  });
  const { chunks, done } = await readStream(streamed);
  const pieces = chunks.flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
  const city = JSON.parse(pieces.map((piece) => piece.function.arguments).join("")).city;
  assertEquals([done, typeof city, pieces[0].function.name], [true, "string", "weather"]);
});

step("the other routes", async (server) => {
  const text = await server.post("/v1/responses", {
    input: "Tell me.",
    text: { format: { type: "json_schema", name: "item", schema: SCHEMA } },
  }).then((response) => response.json());
  assertEquals(Object.keys(JSON.parse(text.output[0].content[0].text)), ["name", "price", "tags"]);
  const call = await server.post("/v1/responses", {
    input: "Go.",
    tools: [{ type: "function", name: "now" }, { type: "function", name: "then" }],
    tool_choice: { type: "function", name: "then" },
  }).then((response) => response.json());
  assertEquals([call.output[0].type, call.output[0].name], ["function_call", "then"]);
  const used = await server.post("/v1/messages", {
    max_tokens: 200,
    messages: [user("Go.")],
    tools: [{ name: "now", input_schema: { type: "object" } }],
    tool_choice: { type: "any" },
  }).then((response) => response.json());
  assertEquals([used.stop_reason, used.content[0].name], ["tool_use", "now"]);
  const more = await server.post("/v1/completions", { prompt: "It is", guided_choice: ["late"] });
  assertEquals((await more.json()).choices[0].text, "late");
});

step("what can't be held to is refused with the place", async (server) => {
  const schema = (properties: unknown) => ({
    structured_outputs: { json: { type: "object", properties } },
  });
  const cases: [Record<string, unknown>, string, RegExp][] = [
    [schema({ a: { not: {} } }), "structured_outputs.json.properties.a.not", /not is not supported/],
    [
      schema({ a: { type: "array", items: { type: "number", multipleOf: 3 } } }),
      "structured_outputs.json.properties.a.items.multipleOf",
      /multipleOf/,
    ],
    [schema({ a: { type: "banana" } }), "structured_outputs.json.properties.a.type", /banana/],
    [
      schema({ a: { $ref: "http://x/y" } }),
      "structured_outputs.json.properties.a.$ref",
      /references into the schema/,
    ],
    [
      schema({ a: { type: "string", pattern: "(?=x)" } }),
      "structured_outputs.json.properties.a.pattern",
      /groups/,
    ],
    [
      schema({ a: { type: "string", pattern: "a(" } }),
      "structured_outputs.json",
      /pattern|parenthesis|regex|EBNF/i,
    ],
    [{ response_format: { type: "json_schema" } }, "response_format.json_schema.schema", /missing/],
    [{ response_format: { type: "yaml" } }, "response_format.type", /Invalid/i],
    [{ guided_json: "{" }, "guided_json", /not JSON/],
    [{ guided_regex: "((" }, "guided_regex", /parenthesis/],
    [{ guided_grammar: "foo" }, "guided_grammar", /root/],
    [{ guided_regex: "a", guided_choice: ["b"] }, "guided_choice", /already/],
    [{ guided_regex: "a", ignore_eos: true }, "ignore_eos", /constrained/],
    [{ guided_regex: "a", min_tokens: 3 }, "min_tokens", /constrained/],
    [{ tool_choice: "required" }, "tool_choice", /no tools/],
    [
      { tools: TOOLS, tool_choice: { type: "function", function: { name: "gone" } } },
      "tool_choice",
      /no tool "gone"/,
    ],
    [{ reasoning_effort: "none", thinking_token_budget: 5 }, "thinking_token_budget", /no thought/],
  ];
  for (const [body, param, message] of cases) {
    const response = await server.chat({ messages: [user("Hi")], ...body });
    const { error } = await response.json();
    assertEquals([response.status, error.param], [400, param], JSON.stringify(body));
    assertMatch(error.message, message);
    assert(!/\.cc|Aborted|at .*\.ts/.test(error.message), error.message);
  }
  // Each route names its own field.
  const refused = { type: "object", properties: { a: { not: {} } } };
  const text = await server.post("/v1/responses", {
    input: "Hi",
    text: { format: { type: "json_schema", name: "n", schema: refused } },
  });
  assertEquals((await text.json()).error.param, "text.format.schema.properties.a.not");
  const message = await server.post("/v1/messages", {
    max_tokens: 5,
    messages: [user("Hi")],
    output_config: { format: { type: "json_schema", schema: refused } },
  });
  assertMatch((await message.json()).error.message, /^output_config\.format\.schema\.properties\.a\.not: /);
  // The service goes on as before.
  assertEquals((await answer(server, { guided_choice: ["fine"] })).content, "fine");
});

step("a grammar that takes too long is refused in time, and answers under way go on", async (server) => {
  const under = server.chat({
    messages: [user("slow forever")], // 40 ms a step
    max_tokens: 80,
    guided_regex: "[la ]{400}",
  });
  const slow = 'root ::= (([a-z]{1,200} " "){1,200} "."){1,20}'; // over a minute
  const before = performance.now();
  const refused = await server.chat({ messages: [user("Hi")], guided_grammar: slow });
  const took = performance.now() - before, { error } = await refused.json();
  assertEquals([refused.status, error?.code], [400, "grammar_too_complex"], JSON.stringify(error));
  assert(took < 8000, `${took} ms`);
  const pattern = "(([a-z]{1,200} ){1,200}[.]){1,20}";
  const schema = { type: "object", properties: { x: { type: "string", pattern } } };
  const format = { type: "json_schema", json_schema: { name: "n", schema } };
  const named = await server.chat({ messages: [user("Hi")], response_format: format }).then((r) => r.json());
  assertEquals([named.error?.code, named.error?.param], [
    "grammar_too_complex",
    "response_format.json_schema.schema.properties.x.pattern",
  ]);
  const { choices } = await under.then((response) => response.json());
  assertMatch(choices[0].message.content, /^[la ]{80}$/);
  assertEquals((await answer(server, { guided_choice: ["fine"] })).content, "fine");
});

step("a budget closes the thought, and leaves one alone that has ended by itself", async (server) => {
  // The fake's thought goes on with its script; after the closing tag that it did not write, the script goes on.
  const cut = await server.chat({ messages: [user("Hello")], thinking_token_budget: 12 }).then((r) =>
    r.json()
  );
  const { message } = cut.choices[0];
  assertEquals(message.reasoning.length <= 12, true, message.reasoning);
  assert("The user wrote something.".startsWith(message.reasoning), message.reasoning);
  assert(message.content !== "", "no answer after the thought");
  const free = await server.chat({ messages: [user("Hello")], thinking_token_budget: 500 }).then((r) =>
    r.json()
  );
  assertEquals(free.choices[0].message.reasoning, "The user wrote something. I answer it.");
  assertEquals(free.choices[0].message.content, "You said: Hello");
  assert(free.usage.completion_tokens_details.reasoning_tokens > 30);
  const none = await server.chat({ messages: [user("Hello")], thinking_token_budget: 0 }).then((r) =>
    r.json()
  );
  assertEquals(none.choices[0].message.reasoning, undefined);
});

Deno.test("constrained output", async (t) => {
  const server = await startServer();
  try {
    for (const [name, run] of STEPS) {
      await t.step(name, async () => {
        await run(server);
        const stats = await server.idle();
        assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
      });
    }
  } finally {
    await server.close();
  }
});
