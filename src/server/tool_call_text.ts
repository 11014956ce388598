/** The text inside `<tool_call>` tags: `{"name": …, "arguments": …}`. */

export interface ParsedCall {
  name: string;
  /** JSON text as the model wrote it; "{}" where there are none. */
  arguments: string;
}

/** null: it is not a call. */
export function parseToolCall(text: string): ParsedCall | null {
  let call: unknown;
  try {
    call = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof call !== "object" || call === null || Array.isArray(call)) return null;
  const { name, arguments: given } = call as Record<string, unknown>;
  if (typeof name !== "string" || name === "") return null;
  if (given === undefined || given === null) return { name, arguments: "{}" };
  // Arguments written as a string hold the JSON; others go out as they were written.
  if (typeof given === "string") return { name, arguments: given.trim() === "" ? "{}" : given };
  return { name, arguments: valueText(text, "arguments") ?? JSON.stringify(given) };
}

/** The text of a top-level key's value in valid JSON of an object: not written anew, so that nothing changes. */
function valueText(json: string, key: string): string | null {
  let depth = 0, at = 0, found: string | null = null;
  let start = -1, name: string | null = null;
  while (at < json.length) {
    const character = json[at];
    if (character === '"') {
      const end = stringEnd(json, at);
      if (depth === 1 && name === null) name = JSON.parse(json.slice(at, end));
      at = end;
      continue;
    }
    if (depth === 1 && character === ":" && start < 0) start = at + 1;
    if (character === "{" || character === "[") depth++;
    const closes = character === "}" || character === "]";
    if (closes) depth--;
    if ((depth === 1 && character === ",") || (depth === 0 && closes)) {
      if (name === key) found = json.slice(start, at).trim();
      start = -1, name = null;
    }
    at++;
  }
  return found;
}

function stringEnd(json: string, quote: number): number {
  for (let at = quote + 1; at < json.length; at++) {
    if (json[at] === "\\") at++;
    else if (json[at] === '"') return at + 1;
  }
  return json.length;
}
