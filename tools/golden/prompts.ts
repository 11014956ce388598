/** Golden prompts: conversation → prompt text → ids, and the order of placeholders in a video with its sound. */

import { renderChatml } from "../../src/prompt/chatml.ts";
import { audioTokens } from "../../src/prompt/audio_tokens.ts";
import { ControlText } from "../../src/prompt/control_text.ts";
import { interleave } from "../../src/prompt/expand.ts";
import { pythonJson } from "../../src/prompt/python_json.ts";
import { render, type TemplateMessage } from "../../src/prompt/template.ts";
import { thinkingPrompt } from "../../src/families/valley3/thinking.ts";
import type { Effort } from "../../src/families/family.ts";
import { listOf, readCase, readJson } from "./files.ts";
import { qwen3Tokenizer } from "./qwen3_vocabulary.ts";
import type { CaseResult } from "./report.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

/** One folder of `kind: "prompts"`: text byte for byte and ids one for one, in both tokenizations. */
export function runPrompts(dir: string): Promise<CaseResult> {
  const lines: string[] = [], failures: string[] = [];
  const cases = listOf(readCase(dir, "prompts"), "cases", dir);
  const tokenizer = qwen3Tokenizer();
  const control = new ControlText(tokenizer.specialContents);
  for (const row of cases) {
    const failed = failures.length;
    try {
      if (row.add_generation_prompt !== true) throw new Error("add_generation_prompt is not true");
      const input = { messages: row.messages.map(toMessage), tools: row.tools ?? [] };
      for (const tokenization of ["official", "safe"] as const) {
        const { text, blocked } = render(renderChatml, control, input, tokenization);
        if (text !== row.prompt) failures.push(`${row.case} (${tokenization}): the text differs`);
        const ids = tokenizer.encode(text, blocked);
        if (!equal(ids, row.ids)) failures.push(`${row.case} (${tokenization}): the ids differ`);
        if (tokenizer.decode(ids, true) !== text.normalize("NFC")) {
          failures.push(`${row.case}: decoding differs`);
        }
      }
      const effort = /^think-(\w+)$/.exec(row.case)?.[1];
      if (effort !== undefined && thinkingPrompt(effort as Effort) !== row.messages[0].content) {
        failures.push(`${row.case}: the thinking prompt differs`);
      }
    } catch (error) {
      failures.push(`${row.case}: ${(error as Error).message}`);
    }
    if (failures.length === failed) lines.push(`${row.case}: text and ${row.ids.length} ids exact`);
  }
  runInterleaving(`${dir}/audio_in_video.json`, lines, failures);
  return Promise.resolve({ name: dir, lines, failures });
}

function runInterleaving(path: string, lines: string[], failures: string[]): void {
  const rows = listOf(readJson(path), "rows", path);
  for (const [i, row] of rows.entries()) {
    const [t, h, w] = row.video_grid_thw;
    const runs = interleave({
      tokens: t * h * w / 4,
      tokensPerGrid: h * w / 4,
      timePerGrid: row.video_second_per_grid * row.position_id_per_seconds,
      audioTokens: row.audio_tokens,
    }).map(({ stream, length }) => [stream === "video" ? "V" : "A", length]);
    if (audioTokens(row.mel_frames) !== row.audio_tokens) {
      failures.push(`audio_in_video ${i}: audio tokens differ`);
    }
    if (JSON.stringify(runs) !== JSON.stringify(row.runs)) failures.push(`audio_in_video ${i}: ${runs}`);
    else lines.push(`audio_in_video ${i}: ${runs.length} runs exact`);
  }
}

/** A message as the golden files spell it. */
function toMessage({ role, content, tool_calls }: Json): TemplateMessage {
  return {
    role,
    content: typeof content === "string" ? [{ type: "text", text: content }] : content,
    toolCalls: tool_calls?.map(({ function: { name, arguments: args } }: Json) => ({
      name,
      arguments: typeof args === "string" ? args : pythonJson(args),
    })),
  };
}

const equal = (got: Uint32Array, want: number[]): boolean =>
  got.length === want.length && want.every((id, i) => id === got[i]);
