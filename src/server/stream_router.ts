/**
 * Text of an answer as it comes → thought, content and tool calls. Tags are looked for in the text (they are
 * several tokens, and `>` may merge with a line end); what may begin a tag or a stop string is held back.
 *
 *   <thinking>\n … \n</thinking>\n\n content \n<tool_call>\n{…}\n</tool_call>
 *   <think> … </think><answer> content </answer>
 */

import type { AnswerTags } from "../families/family.ts";
import { CALL, CallReader } from "./call_reader.ts";
import type { Delta } from "./delta.ts";
import { HeldText } from "./held_text.ts";

export interface RouterOptions {
  /** Tool calls are looked for. */
  tools: boolean;
  /**
   * Calls go out as they are written. Such a call stays one, whatever follows its name; otherwise calls go out once
   * they are whole, and what is none is content.
   */
  pieces: boolean;
  /** A thought at the beginning is looked for, and the answer's own tags after it; null: neither. */
  tags: AnswerTags | null;
  /** End the answer where they stand in the content; thoughts and calls may hold them. */
  stop: readonly string[];
}

export class StreamRouter {
  /** The stop string that ended the answer, or null; nothing after it counts. */
  stopped: string | null = null;
  /** Tool calls so far; one under way counts once the answer is over. */
  calls = 0;
  readonly #text = new HeldText();
  readonly #tools: boolean;
  readonly #stop: readonly string[];
  readonly #tags: AnswerTags | null;
  /** The tag that ends the answer; none unless one began it. */
  #answerEnd: string[] = [];
  #answered = false;
  /** `gap`: white space of the template, after a thought or a call; `opening`: the answer's own tag may follow. */
  #state: "start" | "thought" | "opening" | "gap" | "content" | "call";
  /** White space that counts only if more text of the same kind follows. */
  #space = "";
  /** Text of this kind has gone out. */
  #begun = false;
  readonly #pieces: boolean;
  #call: CallReader;

  constructor({ tools, pieces, tags, stop }: RouterOptions) {
    this.#tools = tools;
    this.#pieces = pieces;
    this.#call = new CallReader(pieces);
    this.#stop = stop;
    this.#tags = tags;
    this.#state = tags === null ? "content" : "start";
    this.#begun = tags === null;
  }

  /** The model is in its thought: its tokens are reasoning tokens. */
  get reasoning(): boolean {
    return this.#state === "thought";
  }

  push(piece: string): Delta[] {
    if (this.stopped !== null || piece === "") return [];
    this.#text.push(piece);
    const deltas: Delta[] = [];
    while (this.#advance(deltas));
    return deltas;
  }

  /** The answer is over, or (`cut`) broken off: what was held back. */
  end(cut = false): Delta[] {
    if (this.stopped !== null) return [];
    const deltas: Delta[] = [];
    if (this.#state === "start") this.#enter("content");
    while (this.#state === "call") {
      this.#leaveCall(deltas, this.#call.end(this.#text, deltas, cut));
      while (this.#advance(deltas));
    }
    const rest = this.#text.rest();
    if (this.#state === "thought") this.#reason(deltas, rest);
    else {
      this.#content(deltas, rest);
      if (this.calls === 0 && !this.#answered && this.#space !== "") {
        deltas.push({ type: "content", text: this.#space });
      }
    }
    return deltas;
  }

  /** Goes as far as one tag. False: more text is needed. */
  #advance(deltas: Delta[]): boolean {
    switch (this.#state) {
      case "start": {
        const begun = this.#text.held.trimStart(), [open] = this.#tags!.thought;
        if (begun.startsWith(open)) {
          this.#text.take([open]);
          return this.#enter("thought");
        }
        return open.startsWith(begun) ? false : this.#enter("content");
      }
      case "thought": {
        const { text, mark } = this.#text.take([this.#tags!.thought[1]]);
        this.#reason(deltas, text);
        return mark !== null && this.#enter(this.#tags!.answer === null ? "gap" : "opening");
      }
      case "opening": {
        const [open, close] = this.#tags!.answer!;
        if (!this.#text.skipSpace()) return false;
        if (this.#text.held.startsWith(open)) {
          this.#text.take([open]);
          this.#answerEnd = [close];
        } else if (open.startsWith(this.#text.held)) return false;
        return this.#enter("gap");
      }
      case "gap":
        return this.#text.skipSpace() && this.#enter("content");
      case "content": {
        const { text, mark } = this.#text.take([
          ...this.#tools ? [CALL] : [],
          ...this.#stop,
          ...this.#answerEnd,
        ]);
        this.#content(deltas, text);
        if (mark === null) return false;
        if (mark === this.#answerEnd[0]) {
          this.#answerEnd = [];
          return this.#answered = true;
        }
        if (mark === CALL) return this.#enter("call");
        // White space before a stop string is content like any other.
        if (this.#space !== "") deltas.push({ type: "content", text: this.#space });
        this.stopped = mark;
        return false;
      }
      case "call": {
        const progress = this.#call.advance(this.#text, deltas);
        if (progress === "more" || progress === "again") return progress === "again";
        return this.#leaveCall(deltas, progress);
      }
    }
  }

  #leaveCall(deltas: Delta[], as: "call" | "text"): true {
    if (as === "call") {
      this.calls++;
      const { stray } = this.#call;
      this.#enter(stray === "" ? "gap" : "content");
      if (stray !== "") this.#content(deltas, stray);
      return true;
    }
    this.#content(deltas, this.#call.written);
    this.#state = "content"; // goes on: its white space counts
    return true;
  }

  #enter(state: "thought" | "opening" | "gap" | "content" | "call"): true {
    if (state !== "call") {
      // White space between a thought and what follows is the template's; before the answer proper it is kept.
      if (this.#state !== "start") this.#space = "";
      this.#begun = this.#state === "start" && state === "content";
    }
    if (state === "call") this.#call = new CallReader(this.#pieces);
    this.#state = state;
    return true;
  }

  #reason(deltas: Delta[], text: string): void {
    const said = this.#trimmed(text);
    if (said !== "") deltas.push({ type: "reasoning", text: said });
  }

  #content(deltas: Delta[], text: string): void {
    // Only where a tag may follow is white space held back.
    const mayEnd = this.#tools || this.#answered || this.#answerEnd.length > 0;
    const said = mayEnd || !this.#begun ? this.#trimmed(text) : text;
    if (said !== "") deltas.push({ type: "content", text: said });
  }

  /** The text without white space at the beginning of its kind, and at its end until more follows. */
  #trimmed(text: string): string {
    let whole = this.#space + text;
    if (!this.#begun) whole = whole.trimStart();
    const said = whole.trimEnd();
    this.#space = whole.slice(said.length);
    if (said !== "") this.#begun = true;
    return said;
  }
}
