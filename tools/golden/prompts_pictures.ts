/** Golden prompts of Valley2.5 and Valley2: conversation and pictures → text → ids with −200, through the family's builder. */
import type { ChatMessage, PromptOptions } from "../../src/families/family.ts";
import { IMAGE_ID, type PicturePrompt } from "../../src/families/picture_prompt.ts";
import { readValley2Config } from "../../src/families/valley2/config.ts";
import type { Style } from "../../src/families/valley2/preprocessor.ts";
import { valley2Prompt } from "../../src/families/valley2/prompt.ts";
import { valley25Prompt } from "../../src/families/valley2_5/prompt.ts";
import { GTHINKER } from "../../src/families/valley2_5/thinking.ts";
import type { CheckpointFiles } from "../../src/prompt/checkpoint_files.ts";
import { Media } from "../../src/prompt/media.ts";
import { listOf, readCase } from "./files.ts";
import { markedTokenizerJson, QWEN25_LAST } from "./qwen3_vocabulary.ts";
import type { CaseResult } from "./report.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

export function runPrompts25(dir: string): Promise<CaseResult> {
  return runPrompts(dir, "valley2_5", (golden, media) => {
    const prompt = valley25Prompt(filesWith(golden.added_tokens), { maxContext: 32768 }, media);
    return () => prompt;
  });
}

export function runPrompts2(dir: string): Promise<CaseResult> {
  const json = {
    architectures: ["ValleyQwen2ForCausalLM"],
    eagle_vision_tower: "",
    vocab_size: 1,
    hidden_size: 1,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    intermediate_size: 1,
  };
  const config = readValley2Config(json); // the published figures of pictures
  return runPrompts(dir, "valley2", (golden, media) => {
    const files = filesWith(golden.added_tokens, QWEN25_LAST);
    const builders = new Map(
      (["processor", "chat"] as const).map((style) => [
        style as string,
        valley2Prompt(files, config, media, { style: style as Style }),
      ]),
    );
    return (row) => {
      const builder = builders.get(row.style);
      if (!builder) throw new Error(`style ${row.style} is not known`);
      return builder;
    };
  });
}

/** Qwen's tokenizer up to an id of its own added tokens, with the family's markers. */
function filesWith(markers: Record<string, number>, last = Infinity): CheckpointFiles {
  const tokenizer = markedTokenizerJson(markers, last);
  return { tokenizer, tokenizerConfig: {}, preprocessor: {}, videoPreprocessor: null, template: null };
}

async function runPrompts(
  dir: string,
  family: string,
  make: (golden: Json, media: Media) => (row: Json) => PicturePrompt,
): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "prompts", family);
  const media = new Media();
  const builderOf = make(golden, media);
  try {
    for (const row of listOf(golden, "cases", dir)) {
      const before = failures.length;
      const name = row.style ? `${row.case} (${row.style})` : row.case;
      const fail = (what: string) => failures.push(`${name}: ${what}`);
      try {
        const prompt = builderOf(row);
        const messages = toMessages(row);
        const spelt = [...prompt.tokenizer.specialContents, "<image>"]
          .some((token) => row.messages.some((m: Json) => m.content?.includes(token)));
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
      if (failures.length === before) lines.push(`${name}: text and ${row.ids.length} ids exact`);
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
