/** The system prompt that steers a Valley3 Think model (golden cases think-minimal, think-medium, think-high). */

import type { AnswerTags, ChatMessage, Effort } from "../family.ts";

export const thinkingPrompt = (effort: Effort): string =>
  `You are a helpful assistant.
Reasoning effort: ${effort}
Reasoning policy:
- Use the specified reasoning effort as an internal guide for how much analysis to do before answering, with the reasoning enclosed within <thinking> and </thinking>.
- The response generated after </thinking> MUST strictly follow the user's instructions and required output format.
Reasoning effort levels:
- minimal: Disable internal reasoning for this effort. Output an empty <thinking>
</thinking> before the response.
- medium: Perform internal reasoning, using clear step-by-step thinking and verifying important constraints before responding.
- high: Perform more thorough internal reasoning, consider multiple possible interpretations, alternatives, and edge cases, and carefully validate the final answer before responding.`;

export const VALLEY3_TAGS: AnswerTags = { thought: ["<thinking>", "</thinking>"], answer: null };

/** The policy first in the system message, the client's own system prompt after a blank line. */
export function withThinking(messages: ChatMessage[], effort: Effort): ChatMessage[] {
  const policy = thinkingPrompt(effort);
  const [first, ...rest] = messages;
  if (first?.role !== "system") {
    return [{ role: "system", content: [{ type: "text", text: policy }] }, ...messages];
  }
  return [{ ...first, content: [{ type: "text", text: policy + "\n\n" }, ...first.content] }, ...rest];
}
