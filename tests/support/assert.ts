/** Assertions (JSR's @std/assert cannot be reached: node:assert underneath). */
import nodeAssert from "node:assert";

export function assert(condition: unknown, message = "assertion failed"): asserts condition {
  nodeAssert.ok(condition, message);
}

export function assertEquals<T>(got: T, want: T, message?: string): void {
  nodeAssert.deepStrictEqual(got, want, message);
}

/** The error that `run` throws or rejects with, its message matching. */
export async function assertThrows(run: () => unknown, pattern: RegExp): Promise<Error> {
  try {
    await run();
  } catch (error) {
    nodeAssert.match(String(error), pattern);
    return error as Error;
  }
  throw new Error(`nothing was thrown, ${pattern} was expected`);
}

export function assertGreater(got: number, least: number, message?: string): void {
  nodeAssert.ok(got > least, message ?? `${got} is not over ${least}`);
}

export function assertMatch(got: string, pattern: RegExp): void {
  nodeAssert.match(got, pattern);
}
