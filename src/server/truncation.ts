/** `truncation: "auto"`: of a conversation that does not fit in the context, the oldest messages are left out. */

import { type ChatMessage, type Prompt, PromptError } from "../families/family.ts";

/**
 * The prompt of as many messages as fit. System messages, the last of the user and what follows it always stay; results
 * of tools go with their call. Where even these do not fit, the result does not, or is what `build` throws of them.
 */
export async function buildFitting(
  messages: readonly ChatMessage[],
  build: (messages: ChatMessage[]) => Promise<Prompt>,
  fits: (prompt: Prompt) => boolean,
): Promise<Prompt> {
  const lastUser = messages.findLastIndex(({ role }) => role === "user");
  /** Where what is kept may begin. */
  const starts = [...messages.keys()].filter((at) =>
    at === 0 || (at <= lastUser && !["tool", "system"].includes(messages[at].role))
  );
  const from = (start: number) => messages.filter(({ role }, at) => at >= start || role === "system");
  const tried = async (start: number): Promise<Prompt | null> => {
    try {
      const prompt = await build(from(start));
      return fits(prompt) ? prompt : null;
    } catch (error) {
      if (error instanceof PromptError && error.code === "context_length_exceeded") return null;
      throw error;
    }
  };
  let fitting = await tried(0), few = 0, many = starts.length - 1;
  if (fitting !== null) return fitting;
  // The fewest that must go: each try costs as much as a prompt.
  while (many - few > 1) {
    const middle = (few + many) >> 1, prompt = await tried(starts[middle]);
    if (prompt === null) few = middle;
    else [many, fitting] = [middle, prompt];
  }
  return fitting ?? await build(from(starts[many]));
}
