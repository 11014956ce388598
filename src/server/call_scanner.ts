/**
 * The text inside `<tool_call>` tags, `{"name": …, "arguments": …}`, read as it comes, however it is cut: the name as
 * soon as it is known, the arguments' text as it is written. Of two equal keys the first counts.
 */

/** What comes next at the top of the object. */
type Place = "start" | "first" | "key" | "colon" | "value" | "inside" | "next" | "end";

const SPACE = " \t\n\r";
const HIGH_SURROGATE = /[\ud800-\udbff]$/;

export class CallScanner {
  /** null: not known yet. */
  name: string | null = null;
  /** `broken`: it is no call, or does not go on as one. */
  state: "open" | "complete" | "broken" = "open";
  #place: Place = "start";
  #key: string | null = null;
  #value = new ValueScanner();
  /** How the arguments were written; null: not yet. A string holds them; null and the like are read whole. */
  #kind: "nested" | "string" | "scalar" | null = null;
  #escape = "";
  /** Text of the arguments that has not been handed out. */
  #ready = "";
  #handedOut = false;

  /** What was read so far ends inside a string. */
  get inString(): boolean {
    return this.state === "open" && this.#place === "inside" && this.#value.inString;
  }

  /** Text of the arguments that is certain; none before the name is known. */
  push(text: string): string {
    for (let at = 0; at < text.length; at++) this.#step(text[at]);
    return this.#handOut(HIGH_SURROGATE);
  }

  /** The text is over. `ended`: by the closing tag, so that arguments that never began are none. */
  end(ended: boolean): string {
    if (this.state === "open") this.state = "broken";
    if (ended && this.name !== null && this.#kind === null) this.#ready = "{}";
    return this.#handOut(null);
  }

  #step(character: string): void {
    if (this.state === "broken") {
      if (this.#place === "inside" && this.#key === "arguments") this.#ready += character; // as it was written
      return;
    }
    if (this.#place === "inside") return this.#inside(character);
    if (SPACE.includes(character)) return;
    switch (this.#place) {
      case "start":
        return this.#go(character === "{" ? "first" : null);
      case "first":
        if (character === "}") return this.#close();
        /* falls through */
      case "key":
        if (character !== '"') return this.#go(null);
        this.#key = null;
        return this.#begin(character);
      case "colon":
        return this.#go(character === ":" ? "value" : null);
      case "value":
        if (this.#key === "arguments") {
          this.#kind = character === '"' ? "string" : "{[".includes(character) ? "nested" : "scalar";
        }
        return this.#begin(character);
      case "next":
        return character === "}" ? this.#close() : this.#go(character === "," ? "key" : null);
      case "end":
        return this.#go(null);
    }
  }

  #begin(character: string): void {
    this.#value = new ValueScanner();
    this.#place = "inside";
    this.#inside(character);
  }

  /** A character of a key or a value, or the first after it. */
  #inside(character: string): void {
    const arguing = this.#key === "arguments", kind = arguing ? this.#kind : null;
    const found = this.#value.step(character);
    if (kind === "nested") this.#ready += character;
    else if (kind === "string") {
      // The quotes are no part of it.
      const quote = found === "done" || this.#value.raw === '"';
      if (found === "broken") this.#ready += this.#escape + character;
      else if (!quote) this.#unescape(character);
    }
    if (found === "broken") {
      if (kind === "scalar") this.#ready += this.#value.raw + character;
      this.state = "broken";
    } else if (found !== "more") {
      this.#finish(this.#value.raw);
      if (found === "past" && this.state === "open") this.#step(character);
    }
  }

  /** A key or a value is whole. */
  #finish(raw: string): void {
    const key = this.#key;
    if (key === null) {
      const read = parsed(raw);
      if (typeof read !== "string") return this.#go(null);
      this.#key = (read === "name" && this.name !== null) || (read === "arguments" && this.#kind !== null)
        ? "" // has been read
        : read;
      return this.#go("colon");
    }
    this.#go("next");
    if (key === "name") {
      const name = parsed(raw);
      // What came before the name could be looked at whole.
      const sound = this.#kind !== "nested" || parsed(this.#ready) !== undefined;
      if (typeof name === "string" && name !== "" && sound) this.name = name;
      else this.#go(null);
    } else if (key !== "arguments") {
      if (parsed(raw) === undefined) this.#go(null);
    } else if (this.#kind === "string") {
      if (this.#escape !== "") this.#go(null);
      else if (this.#ready.trim() === "" && !this.#handedOut) this.#ready = "{}";
    } else if (this.#kind === "scalar") {
      const value = parsed(raw);
      this.#ready = value === null ? "{}" : raw;
      if (value === undefined) this.#go(null);
    }
  }

  #close(): void {
    if (this.name === null) return this.#go(null);
    if (this.#kind === null) this.#kind = "scalar", this.#ready = "{}";
    this.state = "complete";
    this.#place = "end";
  }

  /** null: it is broken here. */
  #go(place: Place | null): void {
    if (place === null) this.state = "broken";
    else this.#place = place;
  }

  /** A character inside a string that holds the arguments. */
  #unescape(character: string): void {
    this.#escape += character;
    if (this.#escape[0] === "\\") {
      const whole = this.#escape[1] === "u" ? 6 : 2;
      if (this.#escape.length < whole) return;
      const read = parsed(`"${this.#escape}"`);
      if (typeof read === "string") this.#escape = read;
      else this.state = "broken"; // there is no such escape
    }
    this.#ready += this.#escape;
    this.#escape = "";
  }

  /** `held`: an end that waits for more. */
  #handOut(held: RegExp | null): string {
    if (this.name === null) return "";
    const blank = this.#kind === "string" && !this.#handedOut && this.#ready.trim() === "";
    if (this.state === "open" && this.#place === "inside" && blank) return "";
    const keep = held?.test(this.#ready) ? 1 : 0;
    const out = this.#ready.slice(0, this.#ready.length - keep);
    this.#ready = this.#ready.slice(out.length);
    if (out !== "") this.#handedOut = true;
    return out;
  }
}

/** One JSON value, a character at a time: strings and brackets are followed, the rest is taken as it is. */
class ValueScanner {
  /** What was read. */
  raw = "";
  /** Brackets that must still come, the next one last. */
  #closers = "";
  inString = false;
  #escaped = false;

  /** `done`: it was the last character; `past`: it is no part of the value, which is whole without it. */
  step(character: string): "more" | "done" | "past" | "broken" {
    const found = this.#read(character);
    if (found === "more" || found === "done") this.raw += character;
    return found;
  }

  #read(character: string): "more" | "done" | "past" | "broken" {
    if (this.inString) {
      if (character < " ") return "broken";
      if (this.#escaped) this.#escaped = false;
      else if (character === "\\") this.#escaped = true;
      else if (character === '"') {
        this.inString = false;
        if (this.#closers === "") return "done";
      }
      return "more";
    }
    const top = this.#closers === "";
    if (top && this.raw !== "" && (SPACE + ",}]").includes(character)) return "past";
    if (top && this.raw !== "" && '"{['.includes(character)) return "broken"; // inside a number or word
    if (character === '"') this.inString = true;
    else if (character === "{") this.#closers += "}";
    else if (character === "[") this.#closers += "]";
    else if (character === "}" || character === "]") {
      if (!this.#closers.endsWith(character) || top) return "broken";
      this.#closers = this.#closers.slice(0, -1);
      if (this.#closers === "") return "done";
    }
    return top && ",:".includes(character) ? "broken" : "more";
  }
}

/** undefined: no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
