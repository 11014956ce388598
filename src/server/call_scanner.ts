/**
 * The text inside `<tool_call>` tags, `{"name": …, "arguments": …}`, read as it comes, however it is cut: the name as
 * soon as it is known, the arguments' text as it is written. Of two equal keys the first counts.
 */

import { ValueScanner } from "./value_scanner.ts";

/** What comes next at the top of the object. */
type Place = "start" | "first" | "key" | "colon" | "value" | "inside" | "next" | "end";

const SPACE = " \t\n\r";
const HIGH_SURROGATE = /[\ud800-\udbff]$/;
/** More than brackets and quotes that are missing or too many. */
const SAYS_SOMETHING = /[^\s{}[\],"]/;

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
  /** From where it broke on, where that is no part of the arguments. */
  #behind = "";
  /** Words behind the arguments that belong to no JSON; "" until `end`, or where only brackets are wrong. */
  stray = "";

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
    const words = SAYS_SOMETHING.test(this.#behind) ? this.#behind : "";
    if (this.#kind !== null) this.stray = words;
    else if (words !== "") this.#ready = words; // not none: the client shall see that they are wrong
    else if (ended && this.name !== null) this.#ready = "{}";
    return this.#handOut(null);
  }

  #step(character: string): void {
    if (this.state === "broken") {
      // As it was written.
      if (this.#place === "inside" && this.#key === "arguments") this.#ready += character;
      else this.#behind += character;
      return;
    }
    this.#read(character);
    const elsewhere = this.#place !== "inside" || this.#key !== "arguments";
    if (this.state === ("broken" as string) && elsewhere) this.#behind += character;
  }

  #read(character: string): void {
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
      else if (!arguing) this.#behind = this.#value.raw;
      this.state = "broken";
    } else if (found !== "more") {
      this.#finish(this.#value.raw);
      if (found === "past" && this.state === "open") this.#read(character);
    }
  }

  /** A key or a value is whole. */
  #finish(raw: string): void {
    const key = this.#key;
    if (key === null) {
      const read = JSON.parse(raw);
      this.#key = (read === "name" && this.name !== null) || (read === "arguments" && this.#kind !== null)
        ? "" // has been read
        : read;
      return this.#go("colon");
    }
    this.#go("next");
    if (key === "name") {
      const name = JSON.parse(raw);
      if (typeof name === "string" && name !== "") this.name = name;
      else this.#go(null);
    } else if (key === "arguments" && this.#kind === "string") {
      if (this.#ready.trim() === "" && !this.#handedOut) this.#ready = "{}";
    } else if (key === "arguments" && this.#kind === "scalar") this.#ready = raw === "null" ? "{}" : raw;
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
      this.#escape = JSON.parse(`"${this.#escape}"`);
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
