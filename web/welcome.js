// @ts-check
/** What an empty conversation shows: what the model is, and questions to begin with. */

import { byId, h, icon } from "./dom.js";

/** @import { Model } from "./types.d.ts" */

const SAMPLES = [
  { file: "shapes.png", question: "What colour is the circle?" },
  { file: "product.png", question: "What is the price?" },
  { file: "speech.wav", question: "What is said?" },
];

/**
 * @param {Model} model
 * @param {(file: string | null, question: string) => void} pick
 */
export function showWelcome(model, pick) {
  const toy = model.id === "valley3-demo", welcome = byId("welcome", HTMLElement);
  welcome.replaceChildren(
    h("h2", {}, "Ask about what you see and hear"),
    h(
      "p",
      {},
      toy
        ? "This is the demo model, a toy trained on drawings and synthetic speech. It knows coloured shapes, drawn products with price tags and short spoken sentences. Of photographs and of the world it knows nothing."
        : "Add pictures, sound or video by dropping, pasting or recording them, then ask.",
    ),
  );
  if (!toy) return;
  welcome.append(h(
    "ul",
    { class: "samples", "aria-label": "Examples" },
    ...SAMPLES.map(({ file, question }) => {
      const picture = file.endsWith(".png");
      const shot = picture ? h("img", { src: `/web/samples/${file}`, alt: "" }) : icon("microphone");
      const onclick = () => pick(file, question);
      return h(
        "li",
        {},
        h("button", { type: "button", onclick }, h("span", { class: "shot" }, shot), h("span", {}, question)),
      );
    }),
  ));
}
