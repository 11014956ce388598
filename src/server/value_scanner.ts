/** One JSON value, a character at a time: wrong from the first character that no JSON can have there. */

/** `done`: it was the last character; `past`: it is no part of the value, which is whole without it. */
export type Found = "more" | "done" | "past" | "broken";

/** What may come next inside brackets; `first`: a value, key or the end right behind an opening bracket. */
type Next = "first" | "key" | "colon" | "value" | "after";

const SPACE = " \t\n\r";
const BEGINS_WORD = /[-0-9tfn]/, ESCAPES = '"\\/bfnrtu', HEX = /[0-9a-fA-F]/;

export class ValueScanner {
  /** What was read of it. */
  raw = "";
  inString = false;
  /** Brackets that must still come, the next one last. */
  #closers = "";
  #next: Next = "value";
  /** A number, true, false or null under way. */
  #word = "";
  /** Characters that an escape still needs, from the backslash on. */
  #escape = 0;

  step(character: string): Found {
    const found = this.inString
      ? this.#string(character)
      : this.#word !== ""
      ? this.#inWord(character)
      : this.#read(character);
    if (found === "more" || found === "done") this.raw += character;
    return found;
  }

  #string(character: string): Found {
    if (character < " ") return "broken";
    if (this.#escape === 5) {
      if (!ESCAPES.includes(character)) return "broken";
      this.#escape = character === "u" ? 4 : 0;
    } else if (this.#escape > 0) {
      if (!HEX.test(character)) return "broken";
      this.#escape--;
    } else if (character === "\\") this.#escape = 5;
    else if (character === '"') {
      this.inString = false;
      const key = this.#closers.endsWith("}") && (this.#next === "first" || this.#next === "key");
      return this.#whole(key ? "colon" : "after");
    }
    return "more";
  }

  #inWord(character: string): Found {
    if (!(SPACE + ',:{}[]"').includes(character)) {
      this.#word += character;
      return "more";
    }
    const word = this.#word;
    this.#word = "";
    if (!isJson(word)) return "broken";
    if (this.#closers === "") return "past";
    this.#next = "after";
    return this.#read(character);
  }

  #read(character: string): Found {
    const inObject = this.#closers.endsWith("}"), next = this.#next;
    if (SPACE.includes(character)) return "more";
    if (character === "}" || character === "]") {
      if (!this.#closers.endsWith(character) || (next !== "first" && next !== "after")) return "broken";
      this.#closers = this.#closers.slice(0, -1);
      return this.#whole("after");
    }
    if (character === ",") return next === "after" ? this.#go(inObject ? "key" : "value") : "broken";
    if (character === ":") return next === "colon" ? this.#go("value") : "broken";
    if (next === "colon" || next === "after") return "broken";
    if (character === '"') {
      this.inString = true;
      return "more";
    }
    if (inObject && next !== "value") return "broken"; // where a key belongs
    if (character === "{" || character === "[") {
      this.#closers += character === "{" ? "}" : "]";
      return this.#go("first");
    }
    this.#word = character;
    return BEGINS_WORD.test(character) ? "more" : "broken";
  }

  #go(next: Next): Found {
    this.#next = next;
    return "more";
  }

  /** A string or a bracket has closed. */
  #whole(next: Next): Found {
    return this.#closers === "" ? "done" : this.#go(next);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
