/** Qwen3's chat template, for checkpoints that bring none. */
import { renderChatml } from "../../prompt/chatml.ts";
import type { TemplateInput, TemplateMessage } from "../../prompt/template.ts";

/**
 * ChatML; past assistant turns lose everything up to
 * `</think>`; `enable_thinking` false answers with an empty thought.
 */
export function renderQwen3({ messages, tools, enableThinking }: TemplateInput): string {
  const query = messages.findLastIndex(({ role }) => role === "user");
  const steered = messages.map((message, i): TemplateMessage => {
    if (message.role !== "assistant") return message;
    const text = message.content.map((p) => p.type === "text" ? p.text : "").join("");
    const at = text.lastIndexOf("</think>");
    const answer = at < 0 ? text : text.slice(at + "</think>".length).replace(/^\n+/, "");
    const thought = at < 0 ? "" : text.slice(0, text.indexOf("</think>")).split("<think>").at(-1)!
      .replace(/^\n+|\n+$/g, "");
    const kept = i > query && (thought !== "" || i === messages.length - 1);
    return {
      ...message,
      content: [{
        type: "text",
        text: kept ? `<think>\n${thought}\n</think>\n\n${answer.replace(/^\n+/, "")}` : answer,
      }],
    };
  });
  const text = renderChatml({ messages: steered, tools });
  return enableThinking === false ? `${text}<think>\n\n</think>\n\n` : text;
}
