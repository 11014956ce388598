/**
 * Paged KV blocks: who holds which. Unreferenced blocks that hold reusable content are kept, oldest first to be
 * overwritten, after all empty ones.
 */
export class BlockPool {
  readonly #references: Uint32Array;
  readonly #empty: number[] = [];
  /** Unreferenced with content; insertion order = order of release. */
  readonly #cached = new Set<number>();
  readonly #holdsContent: Uint8Array;
  readonly #onEvict: (block: number) => void;

  /** `onEvict`: told before a block with content is given to somebody else. */
  constructor(readonly total: number, onEvict: (block: number) => void = () => {}) {
    this.#references = new Uint32Array(total);
    this.#holdsContent = new Uint8Array(total);
    this.#onEvict = onEvict;
    for (let block = total - 1; block >= 0; block--) this.#empty.push(block);
  }

  /** Blocks that no sequence references. */
  get free(): number {
    return this.#empty.length + this.#cached.size;
  }

  /** Those of them that hold nothing. */
  get empty(): number {
    return this.#empty.length;
  }

  get cached(): number {
    return this.#cached.size;
  }

  /** A block with one reference, or null. */
  allocate(): number | null {
    let block = this.#empty.pop();
    if (block === undefined) {
      const oldest = this.#cached.values().next();
      if (oldest.done) return null;
      block = oldest.value;
      this.#cached.delete(block);
      this.#holdsContent[block] = 0;
      this.#onEvict(block);
    }
    this.#references[block] = 1;
    return block;
  }

  /** One reference more, also on an unreferenced block that holds content. */
  retain(block: number): void {
    if (this.#references[block] === 0 && !this.#cached.delete(block)) {
      throw new Error(`Cannot retain block ${block}: it is free`);
    }
    this.#references[block]++;
  }

  release(block: number): void {
    if (this.#references[block] === 0) throw new Error(`Cannot release block ${block}: it is free`);
    if (--this.#references[block] > 0) return;
    if (this.#holdsContent[block] === 1) this.#cached.add(block);
    else this.#empty.push(block);
  }

  /** From now on the block's content may be found again; it must not be written any more. */
  keepContent(block: number): void {
    if (this.#references[block] === 0) throw new Error(`Cannot keep block ${block}: it is free`);
    this.#holdsContent[block] = 1;
  }

  references(block: number): number {
    return this.#references[block];
  }
}
