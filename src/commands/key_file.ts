/** The file of API keys, read again when it changes; a file that can't be read leaves the keys as they were. */

import { Keys, parseKeys } from "../server/auth.ts";

const LOOK_MS = 2000;

export function watchKeys(path: string) {
  const keys = new Keys(parseKeys(Deno.readTextFileSync(path)));
  let seen = Deno.statSync(path).mtime?.getTime() ?? 0;
  let report: (message: string) => void = () => {};
  const timer = setInterval(() => {
    try {
      const changed = Deno.statSync(path).mtime?.getTime() ?? 0;
      if (changed === seen) return;
      seen = changed;
      keys.replace(parseKeys(Deno.readTextFileSync(path)));
    } catch (error) {
      report(error instanceof Error ? error.message : String(error));
    }
  }, LOOK_MS);
  return {
    keys,
    /** `listener` hears why a changed file was not taken. */
    onProblem: (listener: (message: string) => void) => report = listener,
    close: () => clearInterval(timer),
  };
}
