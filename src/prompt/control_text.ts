/**
 * Keeps control tokens out of message content without changing anything else.
 *
 * Before rendering, wherever client text spells a control token (or ends with the beginning of one, which the
 * next part could complete), a mark is put after the first character; the mark is one private-use character
 * that occurs nowhere in the client's text. The template works on the marked text (it still sees `</think>`,
 * white space and line ends as they are). After rendering the marks are taken out, and where they stood is told
 * to the tokenizer, which then takes no control token there. Text cannot forge this: the tokenizer takes a
 * control token only where no mark stood, and all client text went through `mark`.
 */

/** Rendered text and the offsets at which it only spells a control token (null: not looked at). */
export interface Rendered {
  text: string;
  blocked: ReadonlySet<number> | null;
}

const FIRST_MARK = 0xE000, LAST_MARK = 0xF8FF; // the private use area of the basic plane

export class ControlText {
  /** Control tokens by their first two characters. */
  readonly #byHead = new Map<string, string[]>();
  /** First characters, each as often as it begins a token's head. */
  readonly #firsts: string[];
  readonly #longest: number;

  /** `contents`: the control tokens' texts, of two characters or more. */
  constructor(contents: readonly string[]) {
    for (const content of contents) {
      if (content.length < 2) throw new Error(`Cannot guard a control token of one character: ${content}`);
      const head = content.slice(0, 2);
      this.#byHead.set(head, [...this.#byHead.get(head) ?? [], content]);
    }
    this.#firsts = [...new Set(contents.map((content) => content[0]))];
    this.#longest = Math.max(0, ...contents.map((content) => content.length));
  }

  /** A private-use character that occurs in none of the texts, or null if they hold all 6,400. */
  static freeMark(texts: Iterable<string>): string | null {
    const used = new Set<string>();
    for (const text of texts) for (const match of text.matchAll(/[\uE000-\uF8FF]/g)) used.add(match[0]);
    for (let code = FIRST_MARK; code <= LAST_MARK; code++) {
      const mark = String.fromCharCode(code);
      if (!used.has(mark)) return mark;
    }
    return null;
  }

  /** Client text with a mark after the first character of everything that is, or may become, a control token. */
  mark(text: string, mark: string): string {
    const places: number[] = [];
    for (const first of this.#firsts) {
      for (let at = text.indexOf(first); at !== -1; at = text.indexOf(first, at + 1)) {
        if (this.#spells(text, at)) places.push(at);
      }
    }
    if (this.#firsts.length > 1) places.sort((a, b) => a - b);
    let out = "", copied = 0;
    for (const at of places) {
      out += text.slice(copied, at + 1) + mark;
      copied = at + 1;
    }
    return out + text.slice(copied);
  }

  /** Whether a control token, or a beginning of one that ends the text, stands at `at`. */
  #spells(text: string, at: number): boolean {
    if (this.#byHead.get(text.slice(at, at + 2))?.some((content) => text.startsWith(content, at))) {
      return true;
    }
    if (text.length - at >= this.#longest) return false;
    const rest = text.slice(at);
    for (const contents of this.#byHead.values()) {
      if (contents.some((content) => content.startsWith(rest))) return true;
    }
    return false;
  }

  /** Takes the marks out again. */
  unmark(text: string, mark: string): Rendered {
    const blocked = new Set<number>();
    const parts = text.split(mark);
    let length = 0;
    for (let i = 0; i < parts.length - 1; i++) blocked.add((length += parts[i].length) - 1);
    return { text: parts.join(""), blocked };
  }
}
