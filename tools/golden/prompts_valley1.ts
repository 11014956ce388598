/** Golden prompts of Valley (2023): conversation → text → ids in both tokenizations, and the clean-up of answers. */
import { readValley1Config } from "../../src/families/valley1/config.ts";
import {
  completion,
  conversation,
  EDGES,
  markersOf,
  PLACEHOLDER,
  type Style,
  training,
  type Turn,
} from "../../src/families/valley1/conversation.ts";
import { Valley1Prompt } from "../../src/families/valley1/prompt.ts";
import type { ChatMessage } from "../../src/families/family.ts";
import { Media } from "../../src/prompt/media.ts";
import { EdgedText } from "../../src/server/edged_text.ts";
import { listOf, readCase } from "./files.ts";
import { llama2TokenizerJson } from "./llama2_vocabulary.ts";
import type { CaseResult } from "./report.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** The published figures of the tower. */
const CONFIG = {
  architectures: ["ValleyLlamaForCausalLM"],
  vocab_size: 32007,
  hidden_size: 4096,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  intermediate_size: 11008,
  mm_vision_select_layer: -2,
};

export async function runPrompts1(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const golden = readCase(dir, "prompts", "valley1");
  const tokenizer = llama2TokenizerJson(golden.added_tokens);
  const files = { tokenizer, tokenizerConfig: {}, preprocessor: {}, videoPreprocessor: null, template: null };
  const config = readValley1Config(CONFIG);
  const media = new Media();
  const builders = new Map<string, Valley1Prompt>();
  const builderOf = (form: Json, style: Style, whitespace: "kept" | "slow"): Valley1Prompt => {
    const key = `${form} ${style} ${whitespace}`;
    const found = builders.get(key) ?? new Valley1Prompt(files, config, media, { form, style, whitespace });
    builders.set(key, found);
    return found;
  };
  try {
    for (const row of listOf(golden, "cases", dir)) {
      const before = failures.length;
      const [form, style = "multimodal_video"] = row.api.split(":");
      const { turns, ask } = turnsOf(row);
      const text = render(form, style, turns, ask).replaceAll(PLACEHOLDER, markersOf(256, row.frames));
      if (text !== row.prompt) failures.push(`${row.case}: the text differs: ${JSON.stringify(text)}`);
      for (const [whitespace, want] of [["kept", row.ids], ["slow", row.ids_slow]] as const) {
        const builder = builderOf(form, style, whitespace);
        const ids = [1, ...builder.tokenizer.encode(text)];
        if (`${ids}` !== `${want}`) failures.push(`${row.case}: the ids differ (${whitespace})`);
        if (form === "training" || !ask) continue;
        const options = { tools: [], effort: null, tokenization: "official" as const };
        const built = await builder.build(messagesOf(turns, row.frames), options);
        if (`${[...built.ids]}` !== `${want}`) {
          failures.push(`${row.case}: the builder's ids differ (${whitespace})`);
        }
      }
      if (failures.length === before) lines.push(`${row.case}: text and ${row.ids.length} ids exact`);
    }
    for (const { raw, cleaned } of listOf(golden, "responses", dir)) {
      const text = new EdgedText({ push: () => raw, end: () => "" }, EDGES);
      const got = text.push(0) + text.end();
      if (got !== cleaned) failures.push(`response ${JSON.stringify(raw)}: ${JSON.stringify(got)}`);
    }
    lines.push(`responses: ${golden.responses.length}`);
  } finally {
    media.close();
  }
  return { name: dir, lines, failures };
}

function render(form: string, style: Style, turns: Turn[], ask: boolean): string {
  if (form === "completion") return completion(turns, (text) => text.search(PLACEHOLDER) >= 0);
  if (form === "conversation") return conversation(turns, style, ask);
  if (form === "training") return training(turns, style);
  throw new Error(`form ${form} is not known`);
}

/** Messages with roles, or turns that alternate from the human's on; null asks for an answer. */
function turnsOf({ messages }: Json): { turns: Turn[]; ask: boolean } {
  if (typeof messages[0] === "object") {
    const turns = messages.map(({ role, content }: Json) => ({
      role: role === "assistent" ? "assistant" : role,
      text: content,
    }));
    return { turns, ask: true };
  }
  const ask = messages.at(-1) === null;
  const said: string[] = ask ? messages.slice(0, -1) : messages;
  return { turns: said.map((text, i) => ({ role: i % 2 === 0 ? "user" : "assistant", text })), ask };
}

/** The clip goes to the turn whose text has the placeholder. */
function messagesOf(turns: Turn[], frames: number): ChatMessage[] {
  const image = { width: 8, height: 8, rgb: new Uint8Array(192) };
  return turns.map(({ role, text }): ChatMessage => {
    const content: ChatMessage["content"] = [{ type: "text", text }];
    const found = text.match(PLACEHOLDER)?.[0];
    const clip = { frames: Array(frames).fill(image), fps: null, audio: null, file: true };
    if (found === "<image>") content.push({ type: "image", image });
    if (found === "<video>") content.push({ type: "video", video: clip });
    return { role, content };
  });
}
