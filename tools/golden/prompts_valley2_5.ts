/** Golden prompts of Valley2.5: conversation and pictures → text → ids with −200, through the family's own builder. */
import type { ChatMessage, PromptOptions } from "../../src/families/family.ts";
import { IMAGE_ID, Valley25Prompt } from "../../src/families/valley2_5/prompt.ts";
import { GTHINKER } from "../../src/families/valley2_5/thinking.ts";
import { Media } from "../../src/prompt/media.ts";
import { listOf, readCase } from "./files.ts";
import { qwen3TokenizerJson } from "./qwen3_vocabulary.ts";
import type { CaseResult } from "./report.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

export async function runPrompts25(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "prompts", "valley2_5");
  const published = qwen3TokenizerJson as Json;
  const markers = Object.entries(golden.added_tokens).map(([content, id]) => ({
    id,
    content,
    special: true,
  }));
  const tokenizer = { ...published, added_tokens: [...published.added_tokens, ...markers] };
  const files = { tokenizer, tokenizerConfig: {}, preprocessor: {}, videoPreprocessor: null, template: null };
  const media = new Media();
  const prompt = new Valley25Prompt(files, { maxContext: 32768 }, media);
  try {
    for (const row of listOf(golden, "cases", dir)) {
      const before = failures.length;
      const fail = (what: string) => failures.push(`${row.case}: ${what}`);
      try {
        const messages = toMessages(row);
        const spelt = /<image>|<\|image_pad|<im_start>/.test(row.messages.map((m: Json) => m.content).join());
        for (const tokenization of spelt ? ["official"] as const : ["official", "safe"] as const) {
          const options: PromptOptions = {
            tools: [],
            effort: null,
            tokenization,
            enableThinking: row.enable_thinking,
          };
          const text = prompt.render(messages, options);
          if (text !== row.prompt) fail(`the text differs (${tokenization}): ${JSON.stringify(text)}`);
          const built = await prompt.build(messages, options);
          if (`${collapse(built.ids, built.spans)}` !== `${row.ids}`) {
            fail(`the ids differ (${tokenization})`);
          }
        }
        const first = row.messages[0].content;
        if (/gthinker/.test(row.case) && first !== GTHINKER) fail("the GThinker prompt differs");
      } catch (error) {
        fail((error as Error).message);
      }
      if (failures.length === before) lines.push(`${row.case}: text and ${row.ids.length} ids exact`);
    }
  } finally {
    media.close();
  }
  return { name: dir, lines, failures };
}

/** Each picture's run of tokens back to one −200. */
function collapse(ids: Uint32Array, spans: { start: number; length: number }[]): number[] {
  const out: number[] = [];
  let at = 0;
  for (const { start, length } of spans) {
    out.push(...ids.subarray(at, start), IMAGE_ID | 0);
    at = start + length;
  }
  return [...out, ...ids.subarray(at)];
}

/** Pictures go to the front of the first user turn: the official code takes them as a list. */
function toMessages(row: Json): ChatMessage[] {
  const image = { width: 60, height: 60, rgb: new Uint8Array(10800) };
  const first = row.messages.findIndex((m: Json) => m.role === "user");
  return row.messages.map(({ role, content }: Json, i: number): ChatMessage => ({
    role,
    content: [
      ...Array.from({ length: i === first ? row.images : 0 }, () => ({ type: "image" as const, image })),
      ...(content === null ? [] : [{ type: "text" as const, text: content }]),
    ],
  }));
}
