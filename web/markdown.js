// @ts-check
/** Markdown of an answer → nodes. HTML in it stays text, pictures become links, links lead to http(s) only. */

// @ts-types="./vendor/marked.d.ts"
import { Marked } from "./vendor/marked.js";
// @ts-types="./vendor/purify.d.ts"
import purify from "./vendor/purify.js";

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ text, href = "" }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
    checkbox: ({ checked }) => checked ? "☑ " : "☐ ",
  },
});

const ALLOWED = {
  ALLOWED_TAGS:
    ("p br strong em del code pre ul ol li blockquote h1 h2 h3 h4 h5 h6 hr a table thead tbody tr th td")
      .split(" "),
  ALLOWED_ATTR: ["href", "title", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
};

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

/**
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function markdown(text) {
  return purify.sanitize(marked.parse(text, { async: false }), { ...ALLOWED, RETURN_DOM_FRAGMENT: true });
}
