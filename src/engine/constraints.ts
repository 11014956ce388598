/** What constrains the answers under way: the tokenizer, the grammars, and each answer's place in its grammar. */

import { EngineError } from "./generation.ts";
import { Grammars } from "./grammar/grammars.ts";
import type { GrammarSpec, Vocabulary } from "./grammar/spec.ts";
import { Guide } from "./guide.ts";
import type { Sequence } from "./sequence.ts";

export class Constraints {
  #vocabulary: Vocabulary | null = null;
  #grammars: Grammars | null = null;
  readonly #matchers = new Map<number, { accept(id: number): void; close(): void }>();

  /** Once, before the first request that constrains its answer. */
  setVocabulary(vocabulary: Vocabulary): void {
    this.#vocabulary = vocabulary;
    this.#grammars = new Grammars(vocabulary);
  }

  /** Rejects with GrammarError where the grammar can't be used. */
  async compile(spec: GrammarSpec): Promise<void> {
    if (this.#grammars === null) throw new EngineError("The vocabulary is not known", "internal");
    await this.#grammars.compile(spec);
  }

  /** Gives a sequence its guide, if it needs one; `changed` hears when it may go on, or (false) that it cannot. */
  attach(sequence: Sequence, changed: (possible: boolean) => void): void {
    const { grammar, thought = null } = sequence.params;
    if (grammar === undefined && thought === null) return;
    if (this.#vocabulary === null || this.#grammars === null) {
      throw new EngineError("The vocabulary is not known", "internal");
    }
    const guide = new Guide(grammar !== undefined, thought, this.#vocabulary.tokens, this.#vocabulary.size);
    sequence.guide = guide;
    if (grammar === undefined) return;
    const matcher = this.#grammars.open(grammar, (mask) => {
      if (mask !== null) guide.allow(mask);
      changed(mask !== null);
    });
    this.#matchers.set(sequence.id, matcher);
  }

  /** The sequence has this id now. */
  accept({ id: sequence }: Sequence, id: number): void {
    this.#matchers.get(sequence)?.accept(id);
  }

  release({ id }: Sequence): void {
    this.#matchers.get(id)?.close();
    this.#matchers.delete(id);
  }

  end(): void {
    this.#matchers.clear();
    this.#grammars?.end();
  }
}
