/**
 * Which id may come next where a request constrains it: by a grammar, whose mask is known only when the last id is, and
 * by a budget of its thought, at whose end known ids are forced. The scheduler asks before each draw.
 */

import type { ThoughtBudget } from "./generation.ts";

export class Guide {
  /** By the grammar; null: the last id is still being taken in. */
  #mask: Uint32Array | null = null;
  /** Where in the answer the closing ids begin; null: not decided; −1: nothing is to be closed. */
  #closeAt: number | null = null;

  constructor(
    readonly grammar: boolean,
    readonly thought: ThoughtBudget | null,
    /** Ids of the vocabulary as text. */
    readonly tokens: readonly string[],
    readonly vocabulary: number,
  ) {}

  /**
   * Whether the answer's id number `index` can be drawn now. `answer`: its ids known so far; fewer than `index` while
   * steps are in flight.
   */
  ready(index: number, answer: () => readonly number[]): boolean {
    if (this.grammar && this.#mask === null) return false;
    const { thought } = this;
    if (thought === null || index < thought.tokens) return true;
    if (this.#closeAt === null) {
      const known = answer();
      if (known.length < index) return false;
      const said = known.map((id) => this.tokens[id] ?? "").join("");
      this.#closeAt = said.includes(thought.open) && !said.includes(thought.close) ? index : -1;
    }
    return true;
  }

  /** Takes the mask of id number `index`; undefined: all ids may come. */
  take(index: number): Uint32Array | undefined {
    const mask = this.#mask ?? undefined;
    this.#mask = null;
    const { thought } = this;
    if (thought === null || this.#closeAt === null || this.#closeAt < 0) return mask;
    const forced = thought.closeIds[index - this.#closeAt];
    if (forced === undefined) return mask;
    const only = new Uint32Array(Math.ceil(this.vocabulary / 32));
    only[forced >>> 5] = 1 << (forced & 31);
    return only;
  }

  /** The grammar's mask of the next id has come. */
  allow(mask: Uint32Array): void {
    this.#mask = mask;
  }
}
