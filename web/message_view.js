// @ts-check
/** One message on the page. */

import { h, icon, iconButton } from "./dom.js";
import { markdown } from "./markdown.js";
import { mediumView } from "./media.js";

/** @import { Message, Stats, ToolCall } from "./types.d.ts" */

/**
 * @typedef {object} Actions
 * @property {(() => void) | null} edit
 * @property {(() => void) | null} retry
 * @property {() => void} copy
 * @property {((call: ToolCall, result: string) => void) | null} answerCall null: the call is answered, or can't be
 */

/**
 * @param {Message} message
 * @param {Actions} actions
 */
export function messageView(message, actions) {
  const { role, text, media, calls, reasoning, error, end } = message;
  const who = { user: "You", assistant: "Answer", tool: "Result of a tool" }[role];
  const item = h("li", { class: role }, h("h2", { class: "hidden" }, who));
  if (role === "tool") {
    item.append(
      h("div", { class: "result" }, h("b", {}, icon("tool"), "Result"), h("pre", {}, pretty(text))),
    );
    return item;
  }
  if (media.length > 0) {
    item.append(h("ul", { class: "tray" }, ...media.map((medium) => mediumView(medium, null))));
  }
  if (reasoning) item.append(h("details", {}, h("summary", {}, "Thought"), h("div", {}, reasoning.trim())));
  if (text) item.append(h("div", { class: "text" }, role === "user" ? text : markdown(text)));
  item.append(...calls.map((call) => callView(call, actions.answerCall)));
  if (error) item.append(h("p", { class: "error", role: "alert" }, error));
  const buttons = h(
    "span",
    { class: "buttons" },
    iconButton("copy", "Copy", actions.copy),
    actions.edit && iconButton("edit", "Edit", actions.edit),
    actions.retry && iconButton("retry", "Try again", actions.retry),
  );
  const note = end === "stopped" ? "Stopped" : end === "length" ? "Cut at the limit of tokens" : "";
  const figures = [note, ...(message.stats ? figuresOf(message.stats) : [])].filter((figure) =>
    figure !== ""
  );
  item.append(h("div", { class: "foot" }, buttons, h("span", { class: "stats" }, figures.join(" · "))));
  return item;
}

/**
 * @param {ToolCall} call
 * @param {Actions["answerCall"]} answer
 */
function callView(call, answer) {
  const view = h(
    "div",
    { class: "call" },
    h("b", {}, icon("tool"), call.name),
    h("pre", {}, pretty(call.arguments)),
  );
  if (answer === null) return view;
  const field = document.createElement("textarea");
  Object.assign(field, { rows: 1, placeholder: "What the tool gives back" });
  field.setAttribute("aria-label", `Result of ${call.name}`);
  /** @param {Event} event */
  const onsubmit = (event) => {
    event.preventDefault();
    answer(call, field.value);
  };
  view.append(h("form", { onsubmit }, field, h("button", { class: "primary" }, "Return")));
  return view;
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * What an answer took, in a person's words.
 * @param {Stats} stats
 * @returns {string[]}
 */
export function figuresOf({ firstMs, decodeMs, usage }) {
  const figures = [];
  if (usage && decodeMs > 0 && usage.completion_tokens > 1) {
    figures.push(`${((usage.completion_tokens - 1) / decodeMs * 1000).toFixed(1)} tokens/s`);
  }
  if (firstMs !== null) figures.push(`first after ${(firstMs / 1000).toFixed(2)} s`);
  if (!usage) return figures;
  const { cached_tokens = 0, image_tokens = 0, video_tokens = 0, audio_tokens = 0 } =
    usage.prompt_tokens_details ?? {};
  const thought = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  figures.push(`${usage.completion_tokens} tokens${thought ? ` (${thought} thought)` : ""}`);
  figures.push(`prompt ${usage.prompt_tokens}, ${cached_tokens} cached`);
  const media = Object.entries({ picture: image_tokens, video: video_tokens, sound: audio_tokens });
  return [...figures, ...media.filter(([, count]) => count > 0).map(([kind, count]) => `${kind} ${count}`)];
}
