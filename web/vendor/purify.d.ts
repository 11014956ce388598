/** What the page uses of DOMPurify. */
interface Purify {
  sanitize(html: string, options: Record<string, unknown> & { RETURN_DOM_FRAGMENT: true }): DocumentFragment;
  addHook(name: "afterSanitizeAttributes", hook: (node: Element) => void): void;
}
declare const purify: Purify;
export default purify;
