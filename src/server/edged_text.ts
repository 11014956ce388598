/** An answer's text without the labels before it and from its end mark on (`AnswerEdges`), while it streams. */

import type { AnswerEdges } from "../families/family.ts";
import { longestBeginning } from "./held_text.ts";

export class EdgedText {
  /** The end mark has come: nothing after it counts. */
  ended = false;
  /** The answer proper has begun. */
  #begun = false;
  #held = "";

  constructor(
    private readonly ids: { push(id: number): string; end(): string },
    private readonly edges: AnswerEdges,
  ) {}

  push(id: number): string {
    if (this.ended) return "";
    return this.#take(this.ids.push(id));
  }

  end(): string {
    if (this.ended) return "";
    const text = this.#take(this.ids.end()) + this.#held.trimEnd();
    this.#held = "";
    return text;
  }

  #take(piece: string): string {
    this.#held += piece;
    if (!this.#begun && !this.#begins()) return "";
    const { end } = this.edges;
    const at = this.#held.indexOf(end);
    if (at >= 0) {
      this.ended = true;
      const last = this.#held.slice(0, at).trimEnd();
      this.#held = "";
      return last;
    }
    // What may become the end mark waits, and white space that may turn out to be the last.
    const keep = this.#held.length - longestBeginning(this.#held, [end]);
    const out = this.#held.slice(0, keep).trimEnd();
    this.#held = this.#held.slice(out.length);
    return out;
  }

  /** Drops labels and white space; false while more of them may come. */
  #begins(): boolean {
    const { labels } = this.edges;
    for (;;) {
      this.#held = this.#held.trimStart();
      const label = labels.find((l) => this.#held.startsWith(l));
      if (label === undefined) break;
      this.#held = this.#held.slice(label.length);
    }
    if (labels.some((l) => l.startsWith(this.#held))) return false; // also where nothing is held
    return this.#begun = true;
  }
}
