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
  readonly #byFirst = new Map<string, string[]>();

  /** `contents`: the control tokens' texts. */
  constructor(contents: readonly string[]) {
    for (const content of contents) {
      const same = this.#byFirst.get(content[0]);
      if (same === undefined) this.#byFirst.set(content[0], [content]);
      else same.push(content);
    }
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
    let out = "", copied = 0;
    for (let at = 0; at < text.length; at++) {
      const contents = this.#byFirst.get(text[at]);
      if (contents === undefined || !spells(text, at, contents)) continue;
      out += text.slice(copied, at + 1) + mark;
      copied = at + 1;
    }
    return out + text.slice(copied);
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

/** Whether one of `contents`, or a beginning of one that ends the text, stands at `at`. */
function spells(text: string, at: number, contents: readonly string[]): boolean {
  return contents.some((content) =>
    text.startsWith(content, at) || (text.length - at < content.length && content.startsWith(text.slice(at)))
  );
}
