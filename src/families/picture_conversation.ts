/**
 * A conversation as prompt text with `<image>` for each picture, for the families whose processor is `ValleyProcessor`:
 * Valley2.5 and Valley2 (VALLEY2_5.md, VALLEY2.md "From conversation to ids").
 */
import type { ChatMessage } from "./family.ts";
import type { Rendered } from "../prompt/control_text.ts";
import type { TemplateMessage } from "../prompt/template.ts";

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

/** How an official wrapper puts pictures into the text. */
export interface Placing {
  /** Between placeholders that stand before the first user message: one space, or nothing. */
  join: " " | "";
  /** Whether a conversation without pictures gets a black one. */
  black: boolean;
  /** In each turn placeholders past the number of pictures are deleted. */
  deleteSurplus: boolean;
}

/**
 * Official: pictures are a list beside the text. Where the first user message has no `<image>`, all go before it, joined
 * and followed by a line feed; else the caller's own places in user and assistant turns count.
 * CRITICAL: no picture at all still makes one placeholder, for a black picture.
 */
export function placeOfficial(
  messages: ChatMessage[],
  { join, black, deleteSurplus }: Placing,
): PlacedMessage[] {
  const texts = messages.map(({ content }) => content.map((p) => p.type === "text" ? p.text : "").join(""));
  const first = messages.findIndex(({ role }) => role === "user");
  const given = messages.reduce((sum, message) => sum + picturesOf(message), 0);
  const pictures = Math.max(black ? 1 : 0, given);
  if (first >= 0 && pictures > 0 && !texts[first].includes(IMAGE)) {
    texts[first] = `${Array(pictures).fill(IMAGE).join(join)}\n${texts[first]}`;
  }
  return messages.map(({ role, toolCalls }, i) => {
    const turn = role === "user" || role === "assistant";
    let seen = 0;
    const wrapped = () => deleteSurplus && ++seen > pictures ? "" : WRAPPED;
    const text = turn ? texts[i].replaceAll(IMAGE, wrapped) : texts[i];
    return { role, toolCalls, content: [{ type: "text", text }] };
  });
}

/**
 * Safe: text is text, and pictures stand where their parts stand. Pictures side by side are joined; those
 * that begin a message end with a line feed, so that pictures first make the official form. `standIn` (one character
 * that no text has) is written for each picture: `expandStandIn` puts the markers in after control text is guarded.
 */
export function placeParts(
  messages: ChatMessage[],
  standIn: string,
  { join, black }: Placing,
): PlacedMessage[] {
  const none = black && messages.every((message) => picturesOf(message) === 0);
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
      own(
        (before !== undefined && before.type !== "text" ? join : "") + Array(count).fill(standIn).join(join),
      );
      const next = content[i + 1];
      if (leading && (next === undefined || next.type === "text")) own("\n");
    });
    return { role, toolCalls, content: [{ type: "text", text: placed.join("") }] };
  });
}

/** Each stand-in becomes `markers`; offsets of guarded text move along. */
export function expandStandIn({ text, blocked }: Rendered, standIn: string, markers = WRAPPED): Rendered {
  const moved = new Set<number>();
  const places = [...blocked ?? []].sort((a, b) => a - b);
  let out = "", from = 0, next = 0;
  for (const part of text.split(standIn)) {
    const shift = out.length - from;
    const end = from + part.length;
    for (; next < places.length && places[next] < end; next++) moved.add(places[next] + shift);
    from = end + 1;
    out += part + markers;
  }
  return { text: out.slice(0, out.length - markers.length), blocked: moved };
}
