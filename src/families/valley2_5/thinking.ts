/** The GThinker system prompt of the official demos (golden prompts case image-gthinker). */
import type { AnswerTags, ChatMessage } from "../family.ts";

export const GTHINKER =
  "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. " +
  "The assistant first thinks about the reasoning process in the mind and then provides the user with " +
  "the answer. The reasoning process and answer are enclosed within <think> </think> and <answer> " +
  "</answer> tags, respectively, i.e., <think> reasoning process here </think><answer> answer here " +
  "</answer>. In the reasoning process enclosed within <think> </think>, each specific visual cue is " +
  "enclosed within <vcues_*>...</vcues_*>, where * indicates the index of the specific cue. Before " +
  "concluding the final answer, pause for a quick consistency check: verify whether the visual cues " +
  "support the reasoning and whether each step logically follows from what is seen. If correct, " +
  "conclude the answer; otherwise, revise the visual cues and reasoning, then conclude.";

/** As GThinker asks for them, and as Qwen3 thinks by itself. */
export const VALLEY25_TAGS: AnswerTags = {
  thought: ["<think>", "</think>"],
  answer: ["<answer>", "</answer>"],
};

/** The prompt first in the system message, the client's own after a blank line. */
export function withGThinker(messages: ChatMessage[]): ChatMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== "system" || first.content.length === 0) {
    const others = first?.role === "system" ? rest : messages;
    return [{ role: "system", content: [{ type: "text", text: GTHINKER }] }, ...others];
  }
  return [{ ...first, content: [{ type: "text", text: `${GTHINKER}\n\n` }, ...first.content] }, ...rest];
}
