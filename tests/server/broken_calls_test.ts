/** Tool calls that are no JSON: whatever is wrong with them and however they are cut, no word of theirs is lost. */

import fc from "fast-check";
import { type RouterOptions, StreamRouter } from "../../src/server/stream_router.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { startServer, user } from "../support/server_harness.ts";

function route(pieces: readonly string[], options: Partial<RouterOptions>) {
  const router = new StreamRouter({ tools: true, pieces: false, tags: null, stop: [], ...options });
  let content = "", calls = "";
  for (const delta of [...pieces.flatMap((piece) => router.push(piece)), ...router.end()]) {
    if (delta.type === "content") content += delta.text;
    else if (delta.type === "call") calls += `${delta.name}(`;
    else if (delta.type === "arguments") calls += delta.text;
    else if (delta.type === "call_end") calls += ")";
  }
  return { content, calls, count: router.calls };
}

const tag = (json: string) => `<tool_call>\n${json}\n</tool_call>`;

/** Words that can be told apart stand where a model's own would. */
const sound = [
  tag('{"name": "find", "arguments": {"q": "w1 w2", "n": [1, "w3"]}}'),
  tag('{"name": "find", "arguments": "{\\"q\\": \\"w1 \\\\n w2\\"}"}'),
  tag('{"arguments": {"q": "w1"}, "name": "find"}'),
];
const damage = fc.record({
  call: fc.constantFrom(...sound),
  at: fc.nat(),
  change: fc.constantFrom("", '"', "}", "\\", "\n", "x", " w4 ", "</tool_call>", ", w5"),
  /** Characters that go. */
  gone: fc.constantFrom(0, 1, 1, 2, 30),
}).map(({ call, at, change, gone }) => {
  // Behind the opening tag: what is no tag is text in any case.
  const place = "<tool_call>".length + at % (call.length - "<tool_call>".length);
  return call.slice(0, place) + change + call.slice(place + gone);
});
const words = fc.constantFrom("", "w6 ", "\nw7", ' "w8" ', "w9 {");

Deno.test("property: each word of a broken call comes out, in the call or in the content", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(words, damage), { minLength: 1, maxLength: 3 }),
      words,
      fc.array(fc.nat(9), { maxLength: 80 }),
      fc.boolean(),
      (parts, last, cuts, pieces) => {
        const text = parts.flat().join("") + last, cut: string[] = [];
        let at = 0;
        for (const length of cuts) cut.push(text.slice(at, at += length));
        const { content, calls, count } = route([...cut, text.slice(at)], { pieces });
        if (count === 0) assertEquals(content, text);
        if (!pieces && parts.every(([, call]) => !isCall(call))) assertEquals([count, content], [0, text]);
        const counts = (said: string) => (said.match(/w\d/g) ?? []).sort();
        // What other keys hold is no text.
        if (parts.every(([, call]) => /[{ ]"arguments": ["{]/.test(call))) {
          assertEquals(counts(`${content} ${calls}`), counts(text));
        }
      },
    ),
    { numRuns: 5000, seed: 11 },
  );
});

/** Whether JSON stands between the opening tag and one that closes. */
function isCall(text: string): boolean {
  const ends = [...text.matchAll(/<\/tool_call>/g)].map(({ index }) => index);
  return ends.some((end) => {
    try {
      JSON.parse(text.slice("<tool_call>".length, end));
      return true;
    } catch {
      return false;
    }
  });
}

Deno.test("a quote is missing: what follows the call's tag is not taken for its string", () => {
  const unclosed = '<tool_call>\n{"name": "f", "arguments": {"a": "x}}</tool_call>';
  const next = ' Say "so".' + tag('{"name": "g", "arguments": {"b": "y"}}') + " Done.";
  assertEquals(route([...unclosed + next], {}), {
    content: `${unclosed} Say "so".Done.`,
    calls: 'g({"b": "y"})',
    count: 1,
  });
  assertEquals(route([...unclosed + next], { pieces: true }), {
    content: 'Say "so".Done.',
    calls: 'f({"a": "x}})g({"b": "y"})',
    count: 2,
  });
});

Deno.test("words behind a call's JSON are content; before its arguments they are what was written", () => {
  const pieces = { pieces: true };
  const behind = '<tool_call>{"name": "f", "arguments": {"a": 1}}} Off we go.</tool_call> Bye.';
  assertEquals(route([...behind], pieces), { content: "} Off we go. Bye.", calls: 'f({"a": 1})', count: 1 });
  const before = tag('{"name": "f": {"a": 1}}');
  assertEquals(route([...before], pieces), { content: "", calls: 'f(: {"a": 1}}\n)', count: 1 });
});

Deno.test(
  { name: "broken calls over HTTP", sanitizeOps: false, sanitizeResources: false },
  async () => {
    const server = await startServer();
    const tools = [{ type: "function", function: { name: "find", parameters: { type: "object" } } }];
    for (
      const text of [
        'A <tool_call>\n{"name": find, "arguments": {}}\n</tool_call> b',
        '<tool_call>\n{"name": "find',
        "<tool_call>\nfind(shoes)\n</tool_call>",
      ]
    ) {
      for (const stream of [false, true]) {
        const answer = await (await server.chat({ tools, stream, messages: [user(`echo: ${text}`)] })).text();
        const chunks = stream
          ? answer.split("\n\n").filter((line) => line.startsWith("data: {")).map((l) =>
            JSON.parse(l.slice(6))
          )
          : [JSON.parse(answer)];
        const choices = chunks.map(({ choices: [choice] }) => choice);
        assertEquals(choices.map((c) => (c.delta ?? c.message).content ?? "").join(""), text);
        assert(choices.every((choice) => (choice.delta ?? choice.message).tool_calls === undefined));
        assertEquals(choices.at(-1).finish_reason, "stop");
      }
    }
    await server.close();
  },
);
