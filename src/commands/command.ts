/** What the commands share: how arguments are read and `--help` is told, and progress of long jobs. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { Progress } from "../weights/progress.ts";
import { UsageError } from "./options.ts";

export interface Terminal {
  write(text: string): void;
  isTerminal: boolean;
}

type Flags = NonNullable<ParseArgsConfig["options"]> & { help: { type: "boolean" } };

/**
 * Flags, and exactly `words` arguments that are none. @returns null: `--help` was asked for and is told
 * @throws UsageError saying what is wrong, with the usage
 */
export function parseCommand<const F extends Flags>(
  args: string[],
  { flags, words, usage }: { flags: F; words: number; usage: string },
  terminal: Terminal,
) {
  const parse = () => parseArgs({ args, options: flags, allowPositionals: words > 0 });
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse();
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
  if ((parsed.values as { help?: boolean }).help) {
    terminal.write(`${usage}\n`);
    return null;
  }
  if (parsed.positionals.length !== words) throw new UsageError(usage);
  return parsed;
}

/** Runs a long job under a progress line. @param message the last line; `total` 0: there was nothing to do. null: none */
export async function withProgress<T>(
  options: { verb: string; unit?: string; window?: number },
  { write, isTerminal }: Terminal,
  run: (onProgress: (done: number, total: number, detail?: string) => void) => Promise<T>,
  message: (result: T, total: number) => string | null,
): Promise<T> {
  const progress = new Progress({ ...options, write, terminal: isTerminal });
  let all = 0;
  const result = await run((done, total, detail) => progress.update(done, all = total, detail));
  const last = message(result, all);
  if (last !== null) progress.finish(last);
  return result;
}
