/** The text inside `<tool_call>` tags once it is whole. */

import { CallScanner } from "./call_scanner.ts";

export interface ParsedCall {
  name: string;
  /** JSON text as the model wrote it; "{}" where there are none. Written as a string, what the string holds. */
  arguments: string;
}

/** null: it is not a call. */
export function parseToolCall(text: string): ParsedCall | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const scanner = new CallScanner();
  const given = scanner.push(text) + scanner.end(true);
  return scanner.state === "complete" ? { name: scanner.name!, arguments: given } : null;
}
