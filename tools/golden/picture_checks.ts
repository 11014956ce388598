/** What runners of golden pictures share. */
import { PromptError } from "../../src/families/family.ts";

export const same = (want: unknown, got: ArrayLike<unknown>): boolean =>
  Array.isArray(want) && want.length === got.length && want.every((value, i) => value === got[i]);

/** The result, or null where a PromptError refuses. */
export function orRefused<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof PromptError) return null;
    throw error;
  }
}

export const sumOf = (bytes: Uint8Array): number => bytes.reduce((total, value) => total + value, 0);
