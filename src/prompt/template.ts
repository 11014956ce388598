/**
 * From conversation to prompt text by a chat template: the checkpoint's own (Jinja) or a family's built-in one.
 * All client text passes `ControlText`, so that in "safe" mode none of it can become a control token.
 */

import { Template } from "@huggingface/jinja";
import { PromptError } from "../families/family.ts";
import { ControlText, type Rendered } from "./control_text.ts";

export type TemplatePart = { type: "text"; text: string } | { type: "image" | "video" | "audio" };

export interface TemplateMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: TemplatePart[];
  /** `arguments`: JSON text, put in as it is. */
  toolCalls?: { name: string; arguments: string }[];
}

export interface TemplateInput {
  messages: TemplateMessage[];
  /** Tool objects as the client sent them. */
  tools: unknown[];
  /** For templates that know `enable_thinking`. */
  enableThinking?: boolean;
}

/** Conversation → prompt text with an opened assistant turn. */
export type ChatTemplate = (input: TemplateInput) => string;

/**
 * A Jinja chat template. `tokens`: special tokens by name (`bos_token` …), as templates may use them.
 * Throws a SyntaxError if it does not parse; rendering throws PromptError where the template refuses.
 */
export function jinjaTemplate(source: string, tokens: Record<string, string> = {}): ChatTemplate {
  const template = new Template(source);
  return ({ messages, tools, enableThinking }) => {
    try {
      return template.render({
        ...tokens,
        messages: messages.map(jinjaMessage),
        ...(tools.length > 0 ? { tools } : {}),
        ...(enableThinking === undefined ? {} : { enable_thinking: enableThinking }),
        add_generation_prompt: true,
      });
    } catch {
      throw new PromptError("The model's chat template cannot render this conversation", "template_refused");
    }
  };
}

/** As Hugging Face passes it: text alone as a string, with media as a list of parts. */
function jinjaMessage({ role, content, toolCalls }: TemplateMessage): Record<string, unknown> {
  const text = content.every((part) => part.type === "text");
  const message: Record<string, unknown> = {
    role,
    content: text ? content.map((part) => (part as { text: string }).text).join("") : content,
  };
  if (toolCalls !== undefined && toolCalls.length > 0) {
    message.tool_calls = toolCalls.map((call) => ({ type: "function", function: call }));
  }
  return message;
}

/** Renders with control tokens kept out of client text ("safe"), or with the text as it is ("official"). */
export function render(
  template: ChatTemplate,
  control: ControlText,
  input: TemplateInput,
  tokenization: "safe" | "official",
): Rendered {
  if (input.messages.length === 0) throw new PromptError("Messages must not be empty", "invalid_messages");
  if (tokenization === "official") return { text: template(input), blocked: null };
  const mark = markFor([input.messages, input.tools]);
  const text = template({
    messages: input.messages.map((message) => ({
      role: message.role,
      content: message.content.map((part) =>
        part.type === "text" ? { type: "text", text: control.mark(part.text, mark) } : part
      ),
      toolCalls: message.toolCalls?.map((call) => ({
        name: control.mark(call.name, mark),
        arguments: control.mark(call.arguments, mark),
      })),
    })),
    tools: mapStrings(input.tools, (text) => control.mark(text, mark)) as unknown[],
    enableThinking: input.enableThinking,
  });
  return control.unmark(text, mark);
}

/** A character that no string in a JSON-like value has. Throws PromptError where they have all that could be one. */
export function markFor(value: unknown): string {
  const mark = ControlText.freeMark(stringsOf(value));
  if (mark !== null) return mark;
  throw new PromptError("Messages use every private-use character from U+E000 to U+F8FF", "invalid_messages");
}

/** Every string in a JSON-like value, keys included. */
function* stringsOf(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (Array.isArray(value)) { for (const item of value) yield* stringsOf(item); }
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      yield key;
      yield* stringsOf(item);
    }
  }
}

function mapStrings(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key), mapStrings(item, map)]));
  }
  return value;
}
