/**
 * Added tokens (control tokens and the like): found in the text before the rest goes to the model's BPE, as
 * huggingface/tokenizers' AddedVocabulary does: leftmost longest match; `lstrip`/`rstrip` take the white space
 * beside a match with them; `single_word` matches only between non-word characters.
 */

export interface AddedToken {
  id: number;
  content: string;
  /** A control token: only the template and the placeholder expansion may write it. */
  special: boolean;
  /** Matched after normalisation rather than in the raw text. */
  normalized: boolean;
  lstrip: boolean;
  rstrip: boolean;
  singleWord: boolean;
}

/** A stretch of text, or an added token (then `text` is empty). */
export interface Piece {
  text: string;
  token: AddedToken | null;
}

interface Node {
  next: Map<number, Node>;
  token: AddedToken | null;
}

/** `added_tokens` entry of a tokenizer.json. Throws an Error on what is not one. */
export function parseAddedToken(raw: Record<string, unknown>): AddedToken {
  const { id, content } = raw;
  if (typeof id !== "number" || !Number.isInteger(id) || typeof content !== "string" || content === "") {
    throw new Error("Cannot read tokenizer.json: an added token lacks its id or content");
  }
  const special = raw.special === true;
  return {
    id,
    content,
    special,
    normalized: typeof raw.normalized === "boolean" ? raw.normalized : !special,
    lstrip: raw.lstrip === true,
    rstrip: raw.rstrip === true,
    singleWord: raw.single_word === true,
  };
}

export class AddedTokenSplitter {
  readonly #root: Node = { next: new Map(), token: null };

  constructor(tokens: Iterable<AddedToken>) {
    for (const token of tokens) {
      let node = this.#root;
      for (let i = 0; i < token.content.length; i++) {
        const unit = token.content.charCodeAt(i);
        let child = node.next.get(unit);
        if (child === undefined) node.next.set(unit, child = { next: new Map(), token: null });
        node = child;
      }
      node.token = token;
    }
  }

  /**
   * Cuts `text` at added tokens. A control token does not match at an offset in `blocked` (text that merely
   * spells one); tokens that are not special match everywhere.
   */
  *split(text: string, blocked: ReadonlySet<number> | null = null): Generator<Piece> {
    let start = 0; // of the stretch not yet given out
    for (let at = 0; at < text.length;) {
      const token = this.#match(text, at, blocked !== null && blocked.has(at));
      if (token === null) {
        at++;
        continue;
      }
      let from = at, to = at + token.content.length;
      if (token.lstrip) { while (from > start && isSpace(text, from - 1)) from--; }
      if (token.rstrip) { while (to < text.length && isSpace(text, to)) to++; }
      if (from > start) yield { text: text.slice(start, from), token: null };
      yield { text: "", token };
      start = at = to;
    }
    if (start < text.length) yield { text: text.slice(start), token: null };
  }

  /** Longest token that starts at `at`. */
  #match(text: string, at: number, blockedHere: boolean): AddedToken | null {
    let node = this.#root.next.get(text.charCodeAt(at));
    let found: AddedToken | null = null;
    for (let end = at + 1; node !== undefined; end++) {
      const token = node.token;
      if (token !== null && !(blockedHere && token.special) && wordBoundary(token, text, at, end)) {
        found = token;
      }
      if (end >= text.length) break;
      node = node.next.get(text.charCodeAt(end));
    }
    return found;
  }
}

function wordBoundary(token: AddedToken, text: string, start: number, end: number): boolean {
  if (!token.singleWord) return true;
  return !(start > 0 && isWord(text, start - 1)) && !(end < text.length && isWord(text, end));
}

const isSpace = (text: string, i: number): boolean => /\s/u.test(text[i]);
const isWord = (text: string, i: number): boolean => /[\p{L}\p{N}_]/u.test(text[i]);
