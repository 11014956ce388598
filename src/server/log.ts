/** JSON lines for standard error. No prompts, no answers, no keys. */

export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** `write` gets whole lines. */
export function jsonLog(write: (line: string) => void): Log {
  const line = (level: string) => (event: string, fields: LogFields = {}) =>
    write(JSON.stringify({ time: new Date().toISOString(), level, event, ...fields }) + "\n");
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

export const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };
