/** Tool calls read as they come: however the text is cut, the same name, arguments and verdict. */

import fc from "fast-check";
import { CallScanner } from "../../src/server/call_scanner.ts";
import { StreamRouter } from "../../src/server/stream_router.ts";
import { assert, assertEquals } from "../support/assert.ts";

function scan(pieces: readonly string[], tagged = true) {
  const scanner = new CallScanner();
  let given = "";
  for (const piece of pieces) {
    const more = scanner.push(piece);
    assert(more === "" || scanner.name !== null, "nothing before the name");
    assert(!/[\ud800-\udbff]$/.test(more), "no half character");
    given += more;
  }
  given += scanner.end(tagged);
  return { name: scanner.name, given, state: scanner.state };
}

function cut(text: string, cuts: readonly number[]): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (const length of cuts) pieces.push(text.slice(at, at += length));
  return [...pieces, text.slice(at)];
}

const cutting = fc.array(fc.nat(9), { maxLength: 60 });
/** Strings may hold the tag that ends a call. */
const tagged = fc.array(fc.constantFrom("</tool_call>", "<tool_call>", "</tool", '"', "\\", "\n", "é"), {
  maxLength: 6,
})
  .map((parts) => parts.join(""));
const value = fc.oneof(
  fc.jsonValue({ stringUnit: "binary", maxDepth: 3 }),
  fc.dictionary(fc.oneof(fc.string(), tagged), fc.oneof(tagged, fc.array(tagged))),
  tagged,
);
/** A call, how its arguments are worded, in either order of keys, with white space and another key. */
const call = fc.record({
  name: fc.oneof(fc.string({ minLength: 1, unit: "binary" }), tagged.filter((name) => name !== "")),
  given: fc.option(fc.oneof(fc.dictionary(fc.string(), value), value), { nil: undefined }),
  indent: fc.constantFrom(0, 1, 3),
  asText: fc.boolean(),
  other: fc.boolean(),
  swapped: fc.boolean(),
}).map(({ name, given, indent, asText, other, swapped }) => {
  const inner = JSON.stringify(given, null, indent);
  const worded = given !== undefined && asText ? JSON.stringify(inner) : inner;
  const keys = [`"name": ${JSON.stringify(name)}`];
  if (given !== undefined) keys.push(`"arguments" :${worded}`);
  if (other) keys.splice(1, 0, '"id": [{"name": "no"}, null]');
  if (swapped) keys.reverse();
  const whole = typeof given === "string" && !asText ? given : inner;
  const none = given === undefined || (given === null && !asText) || whole.trim() === "";
  return { text: `\n{${keys.join(",\n ")} }\n`, name, given: none ? "{}" : whole };
});

Deno.test("property: any call, cut anywhere, gives its name and arguments as they were written", () => {
  fc.assert(
    fc.property(call, cutting, ({ text, name, given }, cuts) => {
      assertEquals(scan(cut(text, cuts)), { name, given, state: "complete" });
      assertEquals(scan(text.split("")), { name, given, state: "complete" });
    }),
    { numRuns: 2000, seed: 5 },
  );
});

Deno.test("property: no byte of the closing tag goes out, and what is cut off is told", () => {
  fc.assert(
    fc.property(call, cutting, fc.nat(), ({ text, name, given }, cuts, at) => {
      for (const pieces of [true, false]) {
        const router = new StreamRouter({ tools: true, pieces, tags: null, stop: [] });
        const whole = cut(`<tool_call>${text}</tool_call>`, cuts);
        const deltas = [...whole.flatMap((piece) => router.push(piece)), ...router.end()];
        const written = deltas.map((delta) => delta.type === "arguments" ? delta.text : "").join("");
        assertEquals([written, router.calls], [given, 1]);
        assertEquals(deltas[0], { type: "call", name });
        assertEquals(deltas.at(-1), { type: "call_end" });
      }
      // Cut off anywhere before its last brace it is no complete call, and what went out is its beginning.
      const short = text.slice(0, at % text.lastIndexOf("}"));
      const said = scan(cut(short, cuts), false);
      assertEquals(said.state, "broken");
      assert(given.startsWith(said.given));
    }),
    { numRuns: 2000, seed: 6 },
  );
});

Deno.test("what is no call is told, and nothing of it goes out before its name", () => {
  for (
    const text of [
      "",
      "[]",
      "{}",
      '{"name": ""}',
      '{"name": 5}',
      "null",
      '{"arguments": {]}',
      '{"arguments": {"a": }, "name": "f"}',
      '{"name": nul',
      '{name: "f"}',
      '{"name": "\\x"}',
      '{"a": tru, "name": "f"}',
      '{"name": "f\n"}',
    ]
  ) {
    const { name, given, state } = scan(text.split(""));
    assertEquals([given, state], [name === null ? "" : "{}", "broken"], text);
  }
  const rest = (text: string) => Object.values(scan(text.split("")));
  assertEquals(rest('{"name": "f"'), ["f", "{}", "broken"]);
  assertEquals(rest('{"name": "f" "arguments": {}}'), ["f", '"arguments": {}}', "broken"]);
  assertEquals(rest('{"name": "f", "arguments": {"a": [1}, 2}}'), ["f", '{"a": [1}, 2}}', "broken"]);
  assertEquals(rest('{"name": "f", "arguments": "a\\qb"}'), ["f", 'a\\qb"}', "broken"]);
  assertEquals(rest('{"name": "f", "arguments": {"a": 1}, x'), ["f", '{"a": 1}', "broken"]);
  assertEquals(rest('{"name": "f", "arguments": {"a": 1}} x'), ["f", '{"a": 1}', "broken"]);
  assertEquals(rest('{"name": "f", "arguments": 1, "arguments": 2, "name": "g"}'), ["f", "1", "complete"]);
});
