/** Lines of OpenAI's batch files. */
import { refuseHeavy } from "./heavy_line.ts";

export interface BatchRequest {
  customId: string;
  url: string;
  body: Record<string, unknown>;
}

/** Requests that a batch may hold. */
export const BATCH_URLS = ["/v1/chat/completions", "/v1/completions", "/v1/responses"];

/** Bytes of one line: as the server's body limit. */
export const MOST_LINE = 48 << 20;

/** @throws Error saying what is wrong with the line; HeavyLineError where it is not looked into */
export function parseLine(text: string): BatchRequest {
  refuseHeavy(text);
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
  if (typeof value !== "object" || value === null) throw new Error("it is not an object");
  const { custom_id: customId, method, url, body } = value;
  if (typeof customId !== "string" || customId === "" || customId.length > 512) {
    throw new Error("custom_id is not a text of 1 to 512 characters");
  }
  if (method !== undefined && method !== "POST") {
    throw new Error(`method is ${JSON.stringify(method)}, not POST`);
  }
  if (typeof url !== "string" || !BATCH_URLS.includes(url)) {
    throw new Error(`url is ${JSON.stringify(url)}, known are ${BATCH_URLS.join(", ")}`);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Error("body is not an object");
  }
  if ((body as { stream?: unknown }).stream === true) throw new Error("body.stream: a batch does not stream");
  return { customId, url, body: body as Record<string, unknown> };
}

/** Where requests with the same beginning sort together, so that their prompts' prefix is in the cache. */
export function prefixKey({ url, body }: BatchRequest): string {
  const parts = [url, String(body.model ?? "")];
  let length = 0;
  const walk = (value: unknown): void => {
    if (length > KEY) return;
    if (typeof value === "string") {
      parts.push(value.length > 4 * KEY ? `${value.slice(0, KEY)}…${value.length}` : value);
      length += value.length;
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(walk);
  };
  walk([body.tools, body.messages ?? body.input ?? body.prompt ?? body.instructions]);
  return parts.join("\u0001").slice(0, KEY);
}

const KEY = 256;

/** One line of an output or error file. */
export interface BatchAnswer {
  id: string;
  custom_id: string;
  response: { status_code: number; request_id: string; body: unknown } | null;
  error: { code: string; message: string } | null;
}

/** Lines of a file with their byte offsets, read in blocks; the last may lack its newline. */
export function* linesOf(
  path: string,
): Generator<{ text: string; offset: number; length: number; whole: boolean }> {
  const file = Deno.openSync(path, { read: true });
  const decoder = new TextDecoder();
  try {
    let rest = new Uint8Array(0);
    let offset = 0;
    const block = new Uint8Array(1 << 20);
    for (let n; (n = file.readSync(block)) !== null;) {
      const bytes = new Uint8Array(rest.length + n);
      bytes.set(rest);
      bytes.set(block.subarray(0, n), rest.length);
      let at = 0;
      for (let newline; (newline = bytes.indexOf(10, at)) >= 0; at = newline + 1) {
        const length = newline - at;
        yield { text: decoder.decode(bytes.subarray(at, newline)), offset: offset + at, length, whole: true };
      }
      offset += at;
      rest = bytes.subarray(at);
      if (rest.length > MOST_LINE) throw new Error(`Cannot read ${path}: a line has over ${MOST_LINE} bytes`);
    }
    if (rest.length > 0) yield { text: decoder.decode(rest), offset, length: rest.length, whole: false };
  } finally {
    file.close();
  }
}
