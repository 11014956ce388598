/** Labels before an answer and the mark that ends it (Valley of 2023). */
import { assertEquals } from "../support/assert.ts";
import { EdgedText } from "../../src/server/edged_text.ts";

const EDGES = { labels: ["###", "Assistant:", "Response:", "Valley:"], end: "###" };

/** Ids are places in `pieces`. */
function clean(pieces: string[], rest = ""): { text: string; parts: string[]; ended: boolean } {
  const text = new EdgedText({ push: (id) => pieces[id], end: () => rest }, EDGES);
  const parts: string[] = [];
  for (let id = 0; id < pieces.length && !text.ended; id++) parts.push(text.push(id));
  parts.push(text.end());
  return { text: parts.join(""), parts, ended: text.ended };
}

const ROWS: [raw: string, cleaned: string][] = [
  [" Assistant: A cat.\n###", "A cat."],
  ["\n### Assistant: A cat.\n### Human: more", "A cat."],
  ["A cat", "A cat"],
  ["Valley: Response: x ### y", "x"],
  ["### ### a ###", "a"],
  ["", ""],
  ["  \n", ""],
  ["Assistant: Assistant:hi", "hi"],
  ["Human: a###", "Human: a"],
  ["Assist", "Assist"],
  ["a ## b #", "a ## b #"],
];

Deno.test("edged text: the official clean-up, however the text comes", () => {
  for (const [raw, cleaned] of ROWS) {
    for (const size of [1, 2, 3, 5, 100]) {
      const pieces = raw.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
      assertEquals([raw, size, clean(pieces).text], [raw, size, cleaned]);
    }
    assertEquals(clean([], raw).text, cleaned);
  }
});

Deno.test("edged text: text goes out as soon as it cannot be an edge, and the end is told", () => {
  assertEquals(clean(["Assist", "ant:", " A", " dog", " #", "1 ", "##", "# x"]), {
    text: "A dog #1",
    parts: ["", "", "", "A dog", "", " #1", "", "", ""],
    ended: true,
  });
});
