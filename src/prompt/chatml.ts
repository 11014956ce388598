/**
 * The ChatML form of the Qwen family that Valley3 uses, for checkpoints that bring no template of their own
 * (VALLEY3.md "From conversation to ids"; byte for byte the golden `prompts` cases).
 */

import { PromptError } from "../families/family.ts";
import { pythonJson } from "./python_json.ts";
import type { TemplateInput, TemplateMessage } from "./template.ts";

const PLACEHOLDERS = {
  image: "<|vision_start|><|image_pad|><|vision_end|>",
  video: "<|vision_start|><|video_pad|><|vision_end|>",
  audio: "<|audio_start|><|audio_pad|><|audio_end|>",
};

const TOOLS_HEAD = "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" +
  "You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
const TOOLS_TAIL = "\n</tools>\n\nFor each function call, return a json object with function name and " +
  "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n" +
  '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>';

/** Conversation → prompt text, ending with an opened assistant turn. */
export function renderChatml({ messages, tools }: TemplateInput): string {
  let prompt = "";
  let first = 0;
  if (tools.length > 0) {
    const given = messages[0]?.role === "system";
    if (given) first = 1;
    prompt += "<|im_start|>system\n" + (given ? contentOf(messages[0]) + "\n\n" : "") + TOOLS_HEAD +
      tools.map((tool) => "\n" + pythonJson(tool)).join("") + TOOLS_TAIL + "<|im_end|>\n";
  }
  for (let i = first; i < messages.length; i++) {
    const message = messages[i];
    if (message.role !== "tool") {
      prompt += `<|im_start|>${message.role}\n${contentOf(message)}${callsOf(message)}<|im_end|>\n`;
      continue;
    }
    // Tool messages in a row make one user turn.
    if (i === 0 || messages[i - 1].role !== "tool") prompt += "<|im_start|>user";
    prompt += `\n<tool_response>\n${contentOf(message)}\n</tool_response>`;
    if (messages[i + 1]?.role !== "tool") prompt += "<|im_end|>\n";
  }
  return prompt + "<|im_start|>assistant\n";
}

/** Parts joined with nothing between. */
function contentOf(message: TemplateMessage): string {
  return message.content.map((part) => {
    if (part.type === "text") return part.text;
    if (message.role === "user" || message.role === "tool") return PLACEHOLDERS[part.type];
    throw new PromptError(
      `A ${message.role} message takes text only, not ${part.type}`,
      "unsupported_content",
    );
  }).join("");
}

function callsOf(message: TemplateMessage): string {
  const calls = (message.toolCalls ?? []).map((call) =>
    `<tool_call>\n{"name": "${call.name}", "arguments": ${call.arguments}}\n</tool_call>`
  );
  if (calls.length === 0) return "";
  const empty = message.content.every((part) => part.type === "text" && part.text === "");
  return (empty ? "" : "\n") + calls.join("\n");
}
