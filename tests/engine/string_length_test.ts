/** Strings of a length: both forms of their grammar take the same texts. */

import { printable } from "../../src/engine/grammar/spec.ts";
import { StringLengths } from "../../src/engine/grammar/string_length.ts";
import { structuralTag } from "../../src/engine/grammar/structural_tag.ts";
import { loadXGrammar } from "../../src/engine/grammar/xgrammar.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** As many ids as Qwen's; those used here: bytes, and words of 2 to 8 characters. */
const LARGE = 151_643;
const END = 256, WORDS = ["ab", "abc", "abcdefgh"];

async function bytesCompiler() {
  const xgrammar = loadXGrammar(() => {});
  const bytes = Array.from({ length: 256 }, (_, byte) => printable(Uint8Array.of(byte)));
  const tokens = [...bytes, "", ...WORDS];
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(tokens, "byte_level", false, tokens.length, [
    END,
  ]);
  return { xgrammar, tokens, compiler: await xgrammar.GrammarCompiler.createGrammarCompiler(info, false) };
}

Deno.test("lengths of a large vocabulary are put together from shared rules, few as they are", () => {
  const length = { fewest: 0, most: 12 };
  assertEquals(new StringLengths([length], LARGE).rules.size, 0);
  const many = [length, { fewest: 10, most: 500 }, { fewest: 500, most: null }, { fewest: 0, most: 100_000 }];
  assertEquals(new StringLengths(many.slice(0, 3), 300).expression(many[0]).includes("{0,12}"), true);
  const lengths = new StringLengths(many, LARGE);
  for (const each of many) {
    const counted = lengths.expression(each).matchAll(/\{(\d+,)?(\d+)\}/g);
    for (const [, , most] of counted) assert(Number(most) <= 4);
  }
  assert(lengths.rules.size < 60, `${lengths.rules.size} rules`);
});

Deno.test("runs of one character are held to, whichever form they have", async () => {
  const { xgrammar, compiler } = await bytesCompiler();
  const runs = [
    { unit: '"i"', fewest: 1, most: 1 },
    { unit: "[a-f.-]", fewest: 1, most: 21 },
    { unit: String.raw`[^,"\\\x00-\x1f]`, fewest: 2, most: null },
  ];
  for (const [vocabulary, shared] of [[300, 0], [10_000_000, 1]]) {
    const content = { type: "json" as const, schema: { const: "stand-in" }, rules: { "stand-in": { runs } } };
    const spec = { thought: null, answer: null, content, tools: [], calls: "one" as const };
    const tag = await structuralTag(spec, { xgrammar, vocabulary });
    assertEquals(Number(JSON.stringify(tag).includes("valley_most")), shared);
    const grammar = await compiler.compileStructuralTag(tag);
    for (
      const [text, right] of [
        ["ia é", true],
        ["ia.-f  é", true],
        [`i${"a".repeat(21)}xé`, true],
        [`i${"a".repeat(300)}`, true],
        ["a  ", false],
        ["i  ", false],
        ["ia x,", false],
        ['ia x"', true],
      ] as const
    ) {
      const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar as never);
      const written = text.endsWith('"') ? `"${text}` : `"${text}"`;
      const taken = [...new TextEncoder().encode(written)].every((id) => matcher.acceptToken(id));
      assertEquals(taken, right, `${text}, ${vocabulary} ids`);
      matcher.dispose();
    }
    grammar.dispose();
  }
});

Deno.test("each length is held to, whichever form it has", async () => {
  const { xgrammar, compiler, tokens } = await bytesCompiler();
  const ids = (text: string): number[] => [...new TextEncoder().encode(text)];
  for (
    const [fewest, most] of [[0, 3], [0, 4], [0, 21], [1, 17], [5, 5], [16, 32], [9, null], [
      20,
      100,
    ]] as const
  ) {
    const name = "stand-in", rules = { [name]: { fewest, most } };
    const content = { type: "json" as const, schema: { const: name }, rules };
    const spec = { thought: null, answer: null, content, tools: [], calls: "one" as const };
    for (const vocabulary of [tokens.length, 10_000_000]) {
      const grammar = await compiler.compileStructuralTag(
        await structuralTag(spec, { xgrammar, vocabulary }),
      );
      for (let length = 0; length <= (most ?? 30) + 2; length++) {
        const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar as never);
        const within = most === null || length <= most, enough = length >= fewest;
        const taken = ids(`"${"é".repeat(length)}`).every((id) => matcher.acceptToken(id));
        const about = `${length} of ${fewest} to ${most}, ${vocabulary} ids`;
        assertEquals(taken, within, about);
        if (taken) {
          const mask = await matcher.getNextTokenBitmask();
          const may = (id: number) => (mask[id >> 5] >>> (id & 31) & 1) === 1;
          assertEquals(may(34), enough, about); // the closing quote
          for (const [at, word] of WORDS.entries()) {
            assertEquals(
              may(END + 1 + at),
              most === null || length + word.length <= most,
              `${word}, ${about}`,
            );
          }
        }
        matcher.dispose();
      }
      grammar.dispose();
    }
  }
});
