/**
 * Rows of the device's media store: which medium's encoding lies where. A medium takes consecutive rows; those
 * used least recently make room. The device works in call order, so rows are pinned only while one step is put
 * together: once it is submitted, later encodings may overwrite them.
 */

import type { MediaFeature } from "../families/family.ts";

interface Entry {
  key: string;
  row: number;
  tokens: number;
  pinned: boolean;
}

export class MediaStore {
  /** Insertion order = order of last use. */
  readonly #entries = new Map<string, Entry>();
  encoded = 0;
  reused = 0;

  constructor(readonly rows: number) {}

  get cached(): number {
    return this.#entries.size;
  }

  /** Rows that no step under construction uses. */
  get free(): number {
    let pinned = 0;
    for (const entry of this.#entries.values()) if (entry.pinned) pinned += entry.tokens;
    return this.rows - pinned;
  }

  holds(feature: MediaFeature, salt: string): boolean {
    return this.#entries.has(keyOf(feature, salt));
  }

  /** Rows for a medium, pinned; `fresh`: it must be encoded now. null: no room beside what is pinned. */
  acquire(feature: MediaFeature, salt: string): { row: number; fresh: boolean } | null {
    const key = keyOf(feature, salt);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      if (!known.pinned) this.reused++;
      known.pinned = true;
      return { row: known.row, fresh: false };
    }
    const row = this.#place(feature.tokens);
    if (row === null) return null;
    this.#entries.set(key, { key, row, tokens: feature.tokens, pinned: true });
    this.encoded++;
    return { row, fresh: true };
  }

  /** Media that are held, those used longest ago first. */
  held(): { key: string; row: number; tokens: number }[] {
    return [...this.#entries.values()];
  }

  rowOf(key: string): number | null {
    return this.#entries.get(key)?.row ?? null;
  }

  /** Rows for a medium that was encoded before; null: there are none free. */
  insert(key: string, tokens: number): number | null {
    const row = this.#entries.has(key) ? null : this.#gap(tokens);
    if (row !== null) this.#entries.set(key, { key, row, tokens, pinned: false });
    return row;
  }

  /** The step that used them is submitted. */
  unpinAll(): void {
    for (const entry of this.#entries.values()) entry.pinned = false;
  }

  #place(tokens: number): number | null {
    for (;;) {
      const gap = this.#gap(tokens);
      if (gap !== null) return gap;
      const oldest = [...this.#entries.values()].find((entry) => !entry.pinned);
      if (oldest === undefined) return null;
      this.#entries.delete(oldest.key);
    }
  }

  /** First gap of that many rows. */
  #gap(tokens: number): number | null {
    let at = 0;
    for (const entry of [...this.#entries.values()].sort((a, b) => a.row - b.row)) {
      if (entry.row - at >= tokens) return at;
      at = entry.row + entry.tokens;
    }
    return this.rows - at >= tokens ? at : null;
  }
}

const keyOf = ({ digest }: MediaFeature, salt: string): string => `${salt}\0${digest}`;
