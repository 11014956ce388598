/** Lines of OpenAI's batch files. */
import type { Turns } from "../common/turns.ts";
import { lookedOver } from "./heavy_line.ts";

export interface BatchRequest {
  customId: string;
  url: string;
  body: Record<string, unknown>;
}

/** Requests that a batch may hold. */
export const BATCH_URLS = ["/v1/chat/completions", "/v1/completions", "/v1/responses"];

/** @throws Error saying what is wrong with the line; HeavyLineError where it is not looked into */
export async function parseLine(pieces: Iterable<Uint8Array>, turns: Turns): Promise<BatchRequest> {
  const text = await lookedOver(pieces, turns);
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
  await turns.next(); // what is done with a long line takes its time, too
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
