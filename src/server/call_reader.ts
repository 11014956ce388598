/**
 * A tool call under way in the text of an answer: what of it goes out, and where it ends.
 *
 * A `</tool_call>` inside a JSON string belongs to it if the JSON goes on behind the tag as far as its own end or the
 * next tag outside strings. If it does not (a string holds no line end, nor may the answer end in it), a quote is
 * missing, and the first such tag ends the call.
 */

import { CallScanner } from "./call_scanner.ts";
import type { Delta } from "./delta.ts";
import { type HeldText, longestBeginning } from "./held_text.ts";
import { parseToolCall } from "./tool_call_text.ts";

export const CALL = "<tool_call>", CALL_END = "</tool_call>";

/** `more`: text is needed; `again`: read on at once; `call`: it has gone out; `text`: it is none (`written`). */
export type CallProgress = "more" | "again" | "call" | "text";

export class CallReader {
  readonly #pieces: boolean;
  /** What was read behind the first tag. */
  #text = "";
  #scanner = new CallScanner();
  /** The call has gone out as far as it is known. */
  #named = false;
  /** A closing tag in a string, and what came after it, as long as it may be wrong; the arguments in it. */
  #behind = "";
  #held = "";

  /** `pieces`: it goes out as it is written, once its name is known; otherwise when it is whole. */
  constructor(pieces: boolean) {
    this.#pieces = pieces;
  }

  /** Words behind the call's JSON, once it is over. */
  get stray(): string {
    return this.#scanner.stray;
  }

  /** All that was read, where it is no call. */
  get written(): string {
    return CALL + this.#text;
  }

  /** Takes what is certain of `source`, as far as one tag. */
  advance(source: HeldText, deltas: Delta[]): CallProgress {
    if (this.#behind !== "") return this.#follow(source, deltas);
    const { text, mark } = source.take([CALL_END]);
    this.#grow(deltas, text);
    if (mark === null) return "more";
    if (!this.#scanner.inString) return this.#close(deltas);
    this.#behind = mark;
    this.#held = this.#scanner.push(mark);
    return "again";
  }

  /** The answer is over, or (`cut`) broken off. What then stands in `source` comes after the call. */
  end(source: HeldText, deltas: Delta[], cut: boolean): "call" | "text" {
    if (this.#behind !== "" && this.#scanner.inString && !cut) return this.#unclosed(source, deltas);
    this.#take(deltas);
    this.#grow(deltas, source.rest());
    if (!this.#named) return "text";
    this.#tell(deltas, this.#scanner.end(false));
    if (this.#scanner.state === "complete") deltas.push({ type: "call_end" });
    return "call";
  }

  /** More of the call. */
  #grow(deltas: Delta[], text: string): void {
    this.#text += text;
    const given = this.#scanner.push(text);
    if (this.#pieces) this.#tell(deltas, given);
  }

  #tell(deltas: Delta[], given: string): void {
    const { name } = this.#scanner;
    if (name === null) return;
    if (!this.#named) deltas.push({ type: "call", name });
    this.#named = true;
    if (given !== "") deltas.push({ type: "arguments", text: given });
  }

  /** Looks whether the JSON goes on behind a closing tag in a string. */
  #follow(source: HeldText, deltas: Delta[]): CallProgress {
    const text = source.rest();
    for (let at = 0; at < text.length; at++) {
      if (!this.#scanner.inString) {
        const begun = longestBeginning(text.slice(at, at + CALL_END.length - 1), [CALL_END]);
        const tag = text.startsWith(CALL_END, at);
        if (tag || begun === text.length - at) {
          source.push(text.slice(at));
          if (tag) this.#take(deltas);
          return tag ? "again" : "more";
        }
      }
      this.#held += this.#scanner.push(text[at]);
      this.#behind += text[at];
      const { state } = this.#scanner;
      if (state === "open") continue;
      source.push(text.slice(at + 1));
      if (state === "broken") return this.#unclosed(source, deltas);
      this.#take(deltas);
      return "again";
    }
    return "more";
  }

  /** What stood behind a tag is the call's. */
  #take(deltas: Delta[]): void {
    this.#text += this.#behind;
    if (this.#pieces) this.#tell(deltas, this.#held);
    this.#behind = this.#held = "";
  }

  /** The tag was the call's own: back to it. */
  #unclosed(source: HeldText, deltas: Delta[]): "call" | "text" {
    source.push(this.#behind.slice(CALL_END.length) + source.rest());
    this.#behind = "";
    this.#scanner = new CallScanner();
    this.#scanner.push(this.#text);
    return this.#close(deltas);
  }

  /** At the closing tag. */
  #close(deltas: Delta[]): "call" | "text" {
    if (this.#named) this.#tell(deltas, this.#scanner.end(true));
    else {
      const call = parseToolCall(this.#text);
      if (call === null) {
        this.#text += CALL_END;
        return "text";
      }
      deltas.push({ type: "call", name: call.name }, { type: "arguments", text: call.arguments });
    }
    deltas.push({ type: "call_end" });
    return "call";
  }
}
