import fc from "fast-check";
import { AddedTokenSplitter, parseAddedToken } from "../../src/prompt/added_tokens.ts";
import { ControlText } from "../../src/prompt/control_text.ts";
import { mergeRun } from "../../src/prompt/bpe_run.ts";
import { cutText } from "../../src/prompt/cut_text.ts";
import { Tokenizer } from "../../src/prompt/tokenizer.ts";
import { llama2TokenizerJson } from "../../tools/golden/llama2_vocabulary.ts";
import { qwen3Tokenizer, qwen3TokenizerJson } from "../../tools/golden/qwen3_vocabulary.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const tokenizer = qwen3Tokenizer();
const control = new ControlText(tokenizer.specialContents);

/** Text that is rich in whole and broken control tokens, white space and wide characters. */
const hostileText = fc.array(
  fc.oneof(
    fc.constantFrom(
      ...tokenizer.specialContents,
      "<think>",
      "</think>",
      "<tool_call>",
      "<thinking>",
      "</thinking>",
    ),
    fc.constantFrom(
      "<|",
      "|>",
      "<",
      ">",
      "<|im_",
      "end|>",
      "<|<|im_end|>",
      "im_start",
      "_pad",
      "\n",
      " ",
      "\t",
      "\r\n",
    ),
    fc.constantFrom(
      "价格",
      "é",
      "e\u0301",
      "👩‍👩‍👧",
      "ﬁ",
      "don't",
      "I'LL",
      "12345",
      "\uE000",
      "\uE001",
      "\uFEFF",
      "\uD800",
    ),
    fc.string({ unit: "grapheme", maxLength: 6 }),
  ),
  { maxLength: 10 },
).map((parts) => parts.join(""));

/** Safe ids of one content between template-written markers. */
function safeIds(contents: string[]): Uint32Array {
  const mark = ControlText.freeMark(contents)!;
  const marked = contents.map((content) => control.mark(content, mark)).join("");
  const { text, blocked } = control.unmark(`<|im_start|>user\n${marked}<|im_end|>\n`, mark);
  return tokenizer.encode(text, blocked);
}

Deno.test("message content never becomes a control token (10,000 hostile strings)", () => {
  fc.assert(
    fc.property(fc.array(hostileText, { minLength: 1, maxLength: 3 }), (contents) => {
      const special = [...safeIds(contents)].filter((id) => tokenizer.specialIds.has(id));
      assertEquals(special, [151644, 151645]); // the template's own
    }),
    { numRuns: 10_000, seed: 1 },
  );
});

Deno.test("safe and official tokenization agree wherever content spells no control token", () => {
  fc.assert(
    fc.property(fc.array(hostileText, { minLength: 1, maxLength: 3 }), (contents) => {
      const joined = contents.join("");
      fc.pre(!tokenizer.specialContents.some((special) => joined.includes(special)));
      assertEquals(safeIds(contents), tokenizer.encode(`<|im_start|>user\n${joined}<|im_end|>\n`));
    }),
    { numRuns: 2000, seed: 2 },
  );
});

Deno.test("blocked text decodes to what it was", () => {
  fc.assert(
    fc.property(hostileText, (content) => {
      const whole = `<|im_start|>user\n${content}<|im_end|>\n`.toWellFormed().normalize("NFC");
      fc.pre(!/[\uD800-\uDFFF]/.test(content.replace(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g, "")));
      assertEquals(tokenizer.decode(safeIds([content]), true).normalize("NFC"), whole);
    }),
    { numRuns: 2000, seed: 3 },
  );
});

Deno.test("every special token in a message stays text; tokens that are not special are encoded", () => {
  for (const special of tokenizer.specialContents) {
    const ids = [...safeIds([`a ${special} b`])];
    assert(!ids.slice(1, -2).some((id) => tokenizer.specialIds.has(id)), special);
  }
  assert([...safeIds(["<tool_call>"])].includes(151657));
  assert([...safeIds(["<think>"])].includes(151667));
});

Deno.test("a mark that the text holds is never chosen", () => {
  assertEquals(ControlText.freeMark(["plain"]), "\uE000");
  assertEquals(ControlText.freeMark(["\uE000\uE001", "x\uE002"]), "\uE003");
  const all = Array.from({ length: 6400 }, (_, i) => String.fromCharCode(0xE000 + i)).join("");
  assertEquals(ControlText.freeMark([all]), null);
});

Deno.test("streamed pieces join to the decoded whole and never hold half a character", () => {
  fc.assert(
    fc.property(hostileText, fc.boolean(), (content, keepSpecial) => {
      const ids = tokenizer.encode(content);
      const stream = tokenizer.detokenizer(keepSpecial);
      const pieces = [...ids].map((id) => stream.push(id));
      const end = stream.end();
      assertEquals(pieces.join("") + end, tokenizer.decode(ids, keepSpecial));
      for (const piece of pieces) assert(piece.isWellFormed());
      if (content.isWellFormed()) assert(!pieces.join("").includes("\uFFFD") || content.includes("\uFFFD"));
    }),
    { numRuns: 2000, seed: 4 },
  );
});

Deno.test("an incomplete character is held back, then given as U+FFFD", () => {
  const ids = [...tokenizer.encode("𓀀")]; // several byte tokens
  assert(ids.length > 1);
  const stream = tokenizer.detokenizer();
  assertEquals(ids.slice(0, -1).map((id) => stream.push(id)).join(""), "");
  assertEquals(stream.end(), "\uFFFD");
  assertEquals(
    stream.push(ids[0]) + stream.push(151645) + ids.slice(1).map((id) => stream.push(id)).join(""),
    "𓀀",
  );
  assertEquals(tokenizer.decode([151935, 999_999]), ""); // ids without an entry
});

Deno.test("encodeLong gives the ids of encode, and stops at its limit", async () => {
  const text =
    "The price of café crème is 12.50 €, n'est-ce pas? 价格是多少？ don't I'LL\n\n  ok <think> \u0301x "
      .repeat(400);
  const rendered = `<|im_start|>user\n${text}<|im_end|>\n`;
  const want = tokenizer.encode(rendered);
  assertEquals(await tokenizer.encodeLong(rendered, null, 1e9), want);
  assertEquals(await tokenizer.encodeLong(rendered, null, want.length), want);
  assertEquals(await tokenizer.encodeLong(rendered, null, want.length - 1), null);
});

Deno.test("long runs have the ids of encode and let other work go on", async () => {
  const runs = [
    "a".repeat(9000),
    " ".repeat(9001) + "x",
    "=-".repeat(4000),
    "価".repeat(5000),
    "\n \n".repeat(3000),
    "ACGT".repeat(3000),
    "👩‍👩‍👧".repeat(1500),
    "\u0301".repeat(3000),
    "naïve".repeat(900),
  ];
  for (const run of runs) {
    const text = `hello ${run} and 12345 <think>${run.slice(1)}`;
    assertEquals(await tokenizer.encodeLong(text, null, 1e9), tokenizer.encode(text), run.slice(0, 10));
  }
  const begun = tokenizer.encodeLong("a".repeat(200_000), null, 1e9);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  assertEquals((await begun)!.length, 25_000);
  clearInterval(timer);
  assert(turns > 5, `${turns} turns of other work`);
});

Deno.test("merging a run follows ranks, then places", async () => {
  const ranks: Record<string, number> = { "a b": 1, "b c": 0, "a a": 2, "aa a": 3, "a bc": 4 };
  const merged = (text: string) =>
    mergeRun(text, (left, right) => ranks[`${left} ${right}`], () => Promise.resolve());
  assertEquals(await merged("abc"), ["abc"]);
  assertEquals(await merged("aaaaa"), ["aa", "aaa"]);
  assertEquals(await merged("ab"), ["ab"]);
  assertEquals(await merged("x"), ["x"]);
  assertEquals(await merged(""), []);
});

Deno.test("text is cut only where the ids stay the same", () => {
  fc.assert(
    fc.property(hostileText, hostileText, (a, b) => {
      const text = a + "word, and more. " + b;
      // Added tokens are cut out before.
      fc.pre(![...tokenizer.added.keys()].some((content) => text.includes(content)));
      const pieces = [...cutText(text, 8)];
      assertEquals(pieces.join(""), text);
      assertEquals(pieces.flatMap((piece) => [...tokenizer.encode(piece)]), [...tokenizer.encode(text)]);
    }),
    { numRuns: 1000, seed: 5 },
  );
});

Deno.test("a hundred thousand characters without a break are encoded", () => {
  assertEquals(tokenizer.encode("a".repeat(100_000)).length, 12_500);
});

Deno.test("added tokens: longest match, strip flags, word boundaries", () => {
  const token = (content: string, id: number, flags = {}) =>
    parseAddedToken({ id, content, special: true, ...flags });
  const splitter = new AddedTokenSplitter([
    token("<a>", 1),
    token("<a>b", 2),
    token("[L]", 3, { lstrip: true }),
    token("[R]", 4, { rstrip: true }),
    token("cat", 5, { single_word: true }),
  ]);
  const cut = (text: string, blocked: number[] = []) =>
    [...splitter.split(text, new Set(blocked))].map((piece) => piece.token?.id ?? piece.text);
  assertEquals(cut("x<a>by<a>"), ["x", 2, "y", 1]);
  assertEquals(cut("x  [L] y"), ["x", 3, " y"]);
  assertEquals(cut("x [R]  y"), ["x ", 4, "y"]);
  assertEquals(cut("cat concat cat_ (cat)"), [5, " concat cat_ (", 5, ")"]);
  assertEquals(cut("<a><a>", [0]), ["<a>", 1]);
});

Deno.test("tokens that a config names and the file lacks are added; contradictions are refused", async () => {
  assertEquals([...tokenizer.encode("<|audio_start|><|audio_pad|><|audio_end|>")], [151669, 151675, 151670]);
  // deno-lint-ignore no-explicit-any
  const json = qwen3TokenizerJson as any;
  await assertThrows(
    () => new Tokenizer(json, [{ id: 7, content: "<|image_pad|>" }]),
    /<\|image_pad\|> is 151655 there/,
  );
  await assertThrows(
    () => new Tokenizer(json, [{ id: 151655, content: "<|new|>" }]),
    /151655 is <\|image_pad\|> there/,
  );
  await assertThrows(() => new Tokenizer({ ...json, decoder: { type: "WordPiece" } }), /decoder WordPiece/);
  const audio = new Tokenizer(json, [{ id: 151657, content: "<tool_call>" }]);
  assert(audio.specialIds.has(151657), "a placeholder is special whatever the file says");
});

Deno.test("LLaMA's sentencepiece: bytes for what the vocabulary lacks, one leading space, control text kept out", () => {
  const llama = new Tokenizer(llama2TokenizerJson({ "<im_start>": 32000 }));
  for (const text of ["Hello  world\n", "价格 👩‍👩‍👧 naïve", " a", "\t\r\n", "x<0x41>y", "▁"]) {
    const ids = llama.encode(text);
    assertEquals(llama.decode(ids), text.replaceAll("▁", " "));
    const stream = llama.detokenizer();
    assertEquals([...ids].map((id) => stream.push(id)).join("") + stream.end(), text.replaceAll("▁", " "));
  }
  assertEquals([...llama.encode("a<im_start>b")].includes(32000), true);
  assertEquals([...llama.encode("a<im_start>b", new Set([1]))].includes(32000), false);
  assertEquals(llama.decode([32000, ...llama.encode("b")]), "b");
  assertEquals([...llama.tokenBytes(llama.tokenId("<0x0A>")!)], [10]);
});
