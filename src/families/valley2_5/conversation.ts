/**
 * Valley2.5's conversation as prompt text with `<image>` for each picture (VALLEY2_5.md "From conversation to ids").
 */
import type { ChatMessage } from "../family.ts";
import { renderChatml } from "../../prompt/chatml.ts";
import type { Rendered } from "../../prompt/control_text.ts";
import type { TemplateInput, TemplateMessage } from "../../prompt/template.ts";

/** Stands for one picture in the text; never a vocabulary entry. */
export const IMAGE = "<image>";
const WRAPPED = `<im_start>${IMAGE}<im_end>`;
export const DEFAULT_SYSTEM = "You are a helpful assistant.";

/** A message whose pictures have become text. */
export type PlacedMessage = TemplateMessage & { content: { type: "text"; text: string }[] };

/** A default system message where there is none, or one without content (an empty string stays empty). */
export function withSystem(messages: ChatMessage[]): ChatMessage[] {
  const system: ChatMessage = { role: "system", content: [{ type: "text", text: DEFAULT_SYSTEM }] };
  if (messages[0]?.role !== "system") return [system, ...messages];
  return messages[0].content.length === 0 ? [system, ...messages.slice(1)] : messages;
}

/** How many pictures a message brings; each frame of a video is one. */
export const picturesOf = ({ content }: ChatMessage): number =>
  content.reduce(
    (sum, part) => sum + (part.type === "image" ? 1 : part.type === "video" ? part.video.frames.length : 0),
    0,
  );

/**
 * Official: pictures are a list beside the text. Where the first user message has no `<image>`, all go before it, joined
 * by one space and followed by a line feed; else the caller's own places in user and assistant turns count.
 * CRITICAL: no picture at all still makes one placeholder, for a black picture.
 */
export function placeOfficial(messages: ChatMessage[]): PlacedMessage[] {
  const texts = messages.map(({ content }) => content.map((p) => p.type === "text" ? p.text : "").join(""));
  const first = messages.findIndex(({ role }) => role === "user");
  const pictures = Math.max(1, messages.reduce((sum, message) => sum + picturesOf(message), 0));
  if (first >= 0 && !texts[first].includes(IMAGE)) {
    texts[first] = `${Array(pictures).fill(IMAGE).join(" ")}\n${texts[first]}`;
  }
  return messages.map(({ role, toolCalls }, i) => {
    const turn = role === "user" || role === "assistant";
    const text = turn ? texts[i].replaceAll(IMAGE, WRAPPED) : texts[i];
    return { role, toolCalls, content: [{ type: "text", text }] };
  });
}

/**
 * Safe: text is text, and pictures stand where their parts stand. Pictures side by side are joined by one space; those
 * that begin a message end with a line feed, so that pictures first make the official form. `standIn` (one character
 * that no text has) is written for each picture: `expandStandIn` puts the markers in after control text is guarded.
 */
export function placeParts(messages: ChatMessage[], standIn: string): PlacedMessage[] {
  const none = messages.every((message) => picturesOf(message) === 0);
  const first = messages.findIndex(({ role }) => role === "user");
  return messages.map(({ role, content, toolCalls }, index) => {
    const placed: string[] = [];
    const own = (text: string) => placed.push(text);
    if (none && index === first) own(`${standIn}\n`);
    let leading = true;
    content.forEach((part, i) => {
      if (part.type === "text") {
        placed.push(part.text);
        leading = false;
        return;
      }
      const before = content[i - 1];
      const count = picturesOf({ role, content: [part] });
      own((before !== undefined && before.type !== "text" ? " " : "") + Array(count).fill(standIn).join(" "));
      const next = content[i + 1];
      if (leading && (next === undefined || next.type === "text")) own("\n");
    });
    return { role, toolCalls, content: [{ type: "text", text: placed.join("") }] };
  });
}

/** Each stand-in becomes the picture's markers; offsets of guarded text move along. */
export function expandStandIn({ text, blocked }: Rendered, standIn: string): Rendered {
  const moved = new Set<number>();
  const grown = WRAPPED.length - 1;
  const places = [...blocked ?? []].sort((a, b) => a - b);
  let out = "", from = 0, next = 0;
  for (const part of text.split(standIn)) {
    const shift = out.length - from;
    const end = from + part.length;
    for (; next < places.length && places[next] < end; next++) moved.add(places[next] + shift);
    from = end + 1;
    out += part + WRAPPED;
  }
  return { text: out.slice(0, -(grown + 1)), blocked: moved };
}

/**
 * Qwen3's chat template, for checkpoints that bring none: ChatML; past assistant turns lose everything up to
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
