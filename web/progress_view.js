// @ts-check
/** An answer while it comes: upload, waiting, thought, text. */

import { h } from "./dom.js";
import { markdown } from "./markdown.js";
import { megabytes } from "./media.js";

/** @import { Message, News } from "./types.d.ts" */

/** @param {Message} message */
export function progressView(message) {
  const state = h("div", { class: "state" }, "Sending the question …");
  const thought = h("div"), text = h("div", { class: "text" }), summary = h("summary", {}, "Thinking …");
  const details = h("details", { hidden: true }, summary, thought);
  const element = h("li", { class: "assistant", "aria-busy": "true" }, details, text, state);
  const asked = performance.now();
  let reading = false, frame = 0;
  const timer = setInterval(() => {
    if (!reading) return;
    state.textContent = `Reading the prompt … ${Math.round((performance.now() - asked) / 1000)} s`;
  }, 1000);
  const draw = () => {
    frame = 0;
    thought.textContent = message.reasoning.trim();
    details.hidden = message.reasoning === "";
    summary.textContent = message.text ? "Thought" : "Thinking …";
    text.replaceChildren(markdown(message.text));
  };
  return {
    element,
    /** @param {News} news */
    tell(news) {
      if (news.type === "upload") {
        const bar = h("progress", { max: news.total, value: news.sent, "aria-label": "Sent" });
        state.replaceChildren(`Sending ${megabytes(news.total)}`, bar);
      } else if (news.type === "waiting") {
        reading = message.text === "" && message.reasoning === "";
        if (reading) state.textContent = "Reading the prompt …";
      } else {
        reading = false;
        state.hidden = message.text !== "" || message.reasoning !== "";
        frame ||= requestAnimationFrame(draw);
      }
    },
    close() {
      clearInterval(timer);
      cancelAnimationFrame(frame);
    },
  };
}
