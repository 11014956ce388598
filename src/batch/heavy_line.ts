/** Lines of a batch file that would hold up everybody while they are parsed: they are answered without that. */
import { JsonLimitError, JsonScan } from "../common/json_scan.ts";

/** As deep as the server takes a body, and the line around it. */
const DEPTH = 33;
/** Characters looked over at a time: a heavy line is known as such before it is encoded as a whole. */
const PIECE = 1 << 16;

/** A line that is not parsed. */
export class HeavyLineError extends Error {
  constructor(readonly customId: string, message: string, readonly code: string) {
    super(message);
    this.name = "HeavyLineError";
  }
}

/** @throws HeavyLineError where the line's JSON is over the limits of a body; Error where its custom_id can't be told */
export function refuseHeavy(text: string): void {
  const scan = new JsonScan(DEPTH), encoder = new TextEncoder();
  try {
    for (let at = 0; at < text.length; at += PIECE) scan.push(encoder.encode(text.slice(at, at + PIECE)));
  } catch (error) {
    if (!(error instanceof JsonLimitError)) throw error;
    const id = customIdIn(text);
    if (id === null) {
      throw new Error(`its JSON ${error.message}, and no custom_id of 1 to 512 characters is in it`);
    }
    throw new HeavyLineError(id, `The line's JSON ${error.message}`, error.code);
  }
}

/** The custom_id of the line's own object, found without parsing the line. */
function customIdIn(text: string): string | null {
  for (let i = 0, depth = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === "{" || sign === "[") depth++;
    else if (sign === "}" || sign === "]") depth--;
    else if (sign === '"') {
      const end = endOfString(text, i);
      if (depth === 1 && text.slice(i, end) === '"custom_id"') {
        const from = text.indexOf('"', end);
        return from >= 0 && text.slice(end, from).trim() === ":" ? idAt(text, from) : null;
      }
      i = end - 1;
    }
  }
  return null;
}

function idAt(text: string, from: number): string | null {
  try {
    const id = JSON.parse(text.slice(from, endOfString(text, from))) as string;
    return id !== "" && id.length <= 512 ? id : null;
  } catch {
    return null;
  }
}

/** The place behind the quote that ends the string at `i`. */
function endOfString(text: string, i: number): number {
  for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
  return i + 1;
}
