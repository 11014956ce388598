/** However the text is cut into pieces, the same thought, content and calls come out. */

import type { AnswerTags } from "../../src/families/family.ts";
import fc from "fast-check";
import { assertEquals } from "../support/assert.ts";
import { type RouterOptions, StreamRouter } from "../../src/server/stream_router.ts";
import { parseToolCall } from "../../src/server/tool_call_text.ts";

const VALLEY3: AnswerTags = { thought: ["<thinking>", "</thinking>"], answer: null };
const GTHINKER: AnswerTags = { thought: ["<think>", "</think>"], answer: ["<answer>", "</answer>"] };

interface Routed {
  reasoning: string;
  content: string;
  calls: string[];
  stopped: string | null;
}

function route(pieces: readonly string[], options: Partial<RouterOptions> = {}): Routed {
  const router = new StreamRouter({ tools: true, pieces: false, tags: VALLEY3, stop: [], ...options });
  const out: Routed = { reasoning: "", content: "", calls: [], stopped: null };
  for (const delta of [...pieces.flatMap((piece) => router.push(piece)), ...router.end()]) {
    if (delta.type === "call") out.calls.push(`${delta.name}(`);
    else if (delta.type === "arguments") out.calls[out.calls.length - 1] += delta.text;
    else if (delta.type === "call_end") out.calls[out.calls.length - 1] += ")";
    else out[delta.type] += delta.text;
  }
  out.stopped = router.stopped;
  return out;
}

const plain = (content: string): Routed => ({ reasoning: "", content, calls: [], stopped: null });

Deno.test("thoughts, content, calls", () => {
  assertEquals(route(["<thinking>\nHm.\n</thinking>\n\nYes."]), { ...plain("Yes."), reasoning: "Hm." });
  assertEquals(route(["<thinking>\n</thinking>\n\nYes."]), plain("Yes."));
  assertEquals(route(["  \n<thinking>a"]), { ...plain(""), reasoning: "a" });
  assertEquals(route(["I am <thinking>a</thinking>."]), plain("I am <thinking>a</thinking>."));
  assertEquals(route(['Let me see.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>']), {
    ...plain("Let me see."),
    calls: ['f({"a": 1})'],
  });
  const two =
    '<tool_call>\n{"name": "f"}\n</tool_call>\n<tool_call>\n{"name": "g", "arguments": "{}"}\n</tool_call>';
  assertEquals(route([two]), { ...plain(""), calls: ["f({})", "g({})"] });
  assertEquals(route([two], { tools: false }), plain(two));
});

Deno.test("the answer's own tags go, only after a thought and only as a pair", () => {
  const through = (text: string) => {
    const whole = route([text], { tags: GTHINKER });
    assertEquals(route([...text], { tags: GTHINKER }), whole, text);
    return whole;
  };
  const thought = { reasoning: "Hm.", calls: [], stopped: null };
  assertEquals(through("<think> Hm. </think><answer> Yes. </answer>"), { ...thought, content: "Yes." });
  assertEquals(through("<think>Hm.</think>\n<answer>Yes </answer>\n\nReally."), {
    ...thought,
    content: "Yes \n\nReally.",
  });
  assertEquals(through("<think>Hm.</think>\n\nYes </answer>."), { ...thought, content: "Yes </answer>." });
  assertEquals(through("<think>Hm.</think><ans"), { ...thought, content: "<ans" });
  assertEquals(through("<think>Hm.</think><answer>Yes </ans"), { ...thought, content: "Yes </ans" });
  assertEquals(through("<answer>Yes</answer>"), plain("<answer>Yes</answer>"));
});

Deno.test("what is no call stays text; nothing is lost at the end", () => {
  for (
    const text of [
      "<tool_call>\n{broken\n</tool_call>",
      '<tool_call>\n{"name": "f"',
      "a <tool_ca",
      "a \n\n",
      "<think",
      "a <thinking>",
    ]
  ) {
    assertEquals(route([text]), plain(text));
  }
  assertEquals(route(["<thinking>\nnever ended </think"]), {
    ...plain(""),
    reasoning: "never ended </think",
  });
});

Deno.test("stop strings end the content, not thoughts and calls", () => {
  const options = { stop: ["STOP", "\n\n"] };
  assertEquals(route(["a STOP b"], options), { ...plain("a "), stopped: "STOP" });
  assertEquals(route(["<thinking>\nSTOP\n\nx\n</thinking>\n\nb STOP"], options), {
    ...plain("b "),
    reasoning: "STOP\n\nx",
    stopped: "STOP",
  });
  assertEquals(route(['<tool_call>\n{"name": "STOP"}\n</tool_call>'], options), {
    ...plain(""),
    calls: ["STOP({})"],
  });
});

const fragments = fc.array(
  fc.constantFrom(
    "<thinking>",
    "</thinking>",
    "<tool_call>",
    "</tool_call>",
    '{"name": "f", "arguments": {"x": "</tool"}}',
    '{"arguments": {"x": 1}, "name": "g"}',
    '{"name": "h", ',
    '{"name": "i", "arguments": {"x": "</tool_call>\\n</tool_call>"}}',
    '{"name": "j", "arguments": {"x": "</tool_call>',
    '"}}',
    "\n",
    " ",
    "a",
    "STOP",
    "<",
    ">",
    "é👩",
    "<tool",
    "think",
  ),
  { maxLength: 14 },
);

Deno.test("property: pieces do not matter", () => {
  fc.assert(
    fc.property(
      fragments,
      fc.array(fc.nat(12), { maxLength: 40 }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (parts, cuts, begin, stop, asWritten) => {
        const text = (begin ? "<thinking>\n" : "") + parts.join("");
        const options = { stop: stop ? ["STOP", "a\n"] : [], pieces: asWritten };
        const pieces: string[] = [];
        let at = 0;
        for (const cut of cuts) pieces.push(text.slice(at, at += cut));
        pieces.push(text.slice(at));
        assertEquals(route(pieces, options), route([text], options));
        assertEquals(route([...text], options), route([text], options));
      },
    ),
    { numRuns: 3000, seed: 3 },
  );
});

Deno.test("in pieces: the name first, arguments as they come, and what follows a name stays a call", () => {
  const router = new StreamRouter({ tools: true, pieces: true, tags: null, stop: [] });
  const told = (piece: string) => router.push(piece).map((delta) => Object.values(delta).join(":"));
  assertEquals(told('Hm.\n<tool_call>\n{"name": "'), ["content:Hm."]);
  assertEquals(told('find", "argu'), ["call:find"]);
  assertEquals(told('ments": {"q": "sh'), ['arguments:{"q": "sh']);
  assertEquals(told('oes"}'), ['arguments:oes"}']);
  assertEquals(told("}\n</tool_"), []);
  assertEquals([told("call>"), router.calls], [["call_end"], 1]);
  assertEquals([told('\n<tool_call>\n{"name": "g"}\n</tool_call>'), router.calls], [
    ["call:g", "arguments:{}", "call_end"],
    2,
  ]);
  const pieces = { pieces: true, tags: null };
  const cut = '<tool_call>\n{"name": "f", "arguments": {"a": "</tool';
  assertEquals(route([cut], pieces).calls, ['f({"a": "</tool']);
  const wrong = '<tool_call>\n{"name": "f", "arguments": {"a": ]]}\n</tool_call>';
  assertEquals(route([wrong], pieces).calls, ['f({"a": ]]}\n)']);
  assertEquals(route([wrong], { tags: null }).content, wrong);
  const nameless = '<tool_call>\n{"arguments": {"a": ]], "name": "f"}\n</tool_call>';
  assertEquals(route([nameless], pieces), plain(nameless));
  const noBrace = '<tool_call>\n{"name": "f", "arguments": {"a": 1}\n</tool_call> Done.';
  assertEquals(route([noBrace], pieces), { ...plain("Done."), calls: ['f({"a": 1})'] });
});

Deno.test("a closing tag in a string is part of it, unless the string is never closed", () => {
  const call = (given: string) => `<tool_call>\n{"name": "f", "arguments": ${given}}\n</tool_call>`;
  const html = '{"a": "<b></tool_call>", "b": ["</tool_call>"]}', text = '"see </tool_call>, \\"so\\" \\\\"';
  for (const pieces of [true, false]) {
    const options = { pieces, tags: null };
    assertEquals(route([call(html) + " Done."], options), { ...plain("Done."), calls: [`f(${html})`] });
    assertEquals(route([call(text)], options).calls, [`f(${JSON.parse(text)})`]);
  }
  // A quote is missing: the first tag ends the call, the next is read like any other.
  const unclosed = '<tool_call>\n{"name": "f", "arguments": {"a": "x}}</tool_call>';
  const next = `\n${call('{"b": 1}')}`;
  assertEquals(route([unclosed + next], { pieces: true, tags: null }).calls, [
    'f({"a": "x}})',
    'f({"b": 1})',
  ]);
  assertEquals(route([unclosed + next], { tags: null }), { ...plain(unclosed), calls: ['f({"b": 1})'] });
  assertEquals(route([`${unclosed} So`], { pieces: true, tags: null }), {
    ...plain("So"),
    calls: ['f({"a": "x}})'],
  });
  // Broken off by the limit of tokens the string is open, but not wrong.
  const router = new StreamRouter({ tools: true, pieces: true, tags: null, stop: [] });
  const deltas = [...router.push(`${unclosed} So`), ...router.end(true)];
  assertEquals(deltas.map((delta) => Object.values(delta).join(":")), [
    "call:f",
    'arguments:{"a": "x}}',
    "arguments:</tool_call> So",
  ]);
});

Deno.test("arguments go out as they were written", () => {
  for (
    const [text, given] of [
      ['{"name": "f", "arguments": {"b": 1.0, "a": [1,  2]}}', '{"b": 1.0, "a": [1,  2]}'],
      ['{"arguments": {"arguments": "}"}, "name": "f"}', '{"arguments": "}"}'],
      ['{"name": "f", "arguments": null}', "{}"],
      ['{"name": "f", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'],
      ['{"name":"f","arguments":{}}', "{}"],
    ]
  ) assertEquals(parseToolCall(text), { name: "f", arguments: given });
  for (const text of ["", "[]", "{}", '{"name": ""}', '{"name": 5}', '{"name": "f"', "null"]) {
    assertEquals(parseToolCall(text), null);
  }
});
