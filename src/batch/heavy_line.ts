/** Lines of a batch file that would hold up everybody while they are parsed: they are answered without that. */
import { JsonLimitError, JsonScan } from "../common/json_scan.ts";
import type { Turns } from "../common/turns.ts";
import { LineText } from "./lines.ts";

/** As deep as the server takes a body, and the line around it. */
const DEPTH = 33;
/** A line that is not parsed. */
export class HeavyLineError extends Error {
  constructor(readonly customId: string, message: string, readonly code: string) {
    super(message);
    this.name = "HeavyLineError";
  }
}

/**
 * The line's text, if it may be parsed.
 * @throws HeavyLineError where the line's JSON is over the limits of a body; Error where its custom_id can't be told
 */
export async function lookedOver(pieces: Iterable<Uint8Array>, turns: Turns): Promise<string> {
  const scan = new JsonScan(DEPTH), line = new LineText();
  let refusal: JsonLimitError | null = null;
  for (const piece of pieces) {
    line.push(piece);
    if (refusal === null) refusal = refusalOf(scan, piece);
    await turns.next();
  }
  const text = line.end();
  if (refusal === null) return text;
  const id = await customIdIn(text, turns);
  if (id === null) {
    throw new Error(`its JSON ${refusal.message}, and no custom_id of 1 to 512 characters is in it`);
  }
  throw new HeavyLineError(id, `The line's JSON ${refusal.message}`, refusal.code);
}

function refusalOf(scan: JsonScan, piece: Uint8Array): JsonLimitError | null {
  try {
    scan.push(piece);
    return null;
  } catch (error) {
    if (error instanceof JsonLimitError) return error;
    throw error;
  }
}

/** Characters from turn to turn, and of an id as JSON writes it at its longest. */
const STEP = 1 << 16, LONGEST_ID = 2 + 6 * 512;

/** The custom_id of the line's own object, found without parsing the line. */
async function customIdIn(text: string, turns: Turns): Promise<string | null> {
  /** Where the string that is open begins; -1: none is. */
  let begin = -1;
  for (let i = 0, depth = 0, turn = STEP; i < text.length; i++) {
    if (i >= turn) {
      await turns.next();
      turn += STEP;
    }
    const sign = text[i];
    if (begin >= 0) {
      if (sign === "\\") i++;
      else if (sign === '"') {
        if (depth === 1 && text.slice(begin, i + 1) === '"custom_id"') return idBehind(text, i + 1);
        begin = -1;
      }
    } else if (sign === '"') begin = i;
    else if (sign === "{" || sign === "[") depth++;
    else if (sign === "}" || sign === "]") depth--;
  }
  return null;
}

/** The value of the key that ends at `end`. */
function idBehind(text: string, end: number): string | null {
  const from = text.indexOf('"', end);
  if (from < 0 || text.slice(end, from).trim() !== ":") return null;
  let last = from + 1;
  while (last - from < LONGEST_ID && last < text.length && text[last] !== '"') {
    last += text[last] === "\\" ? 2 : 1;
  }
  try {
    const id = JSON.parse(text.slice(from, last + 1)) as string;
    return id !== "" && id.length <= 512 ? id : null;
  } catch {
    return null;
  }
}
