/** A request's body, JSON or a form: counted while it comes in, looked over before it is parsed. */

import { ApiError, invalid } from "./errors.ts";
import type { Limits } from "./limits.ts";

/** Reads a JSON body. Throws ApiError: 415, 413, 400. */
export async function readJson(request: Request, limits: Limits): Promise<unknown> {
  const type = request.headers.get("content-type")?.split(";")[0].trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[\w.-]+\+json$/.test(type)) {
    throw unsupportedType("application/json");
  }
  const bytes = await readBytes(request, limits.bodyBytes);
  if (bytes.length === 0) throw invalid("The body is empty; it must be a JSON object", null, "invalid_json");
  const depth = jsonDepth(bytes, limits.jsonDepth);
  if (depth > limits.jsonDepth) {
    throw invalid(`The body's JSON is nested deeper than ${limits.jsonDepth}`, null, "json_too_deep");
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid("The body is not UTF-8", null, "invalid_json");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("The body is not valid JSON", null, "invalid_json");
  }
  if (tooWide(value)) {
    throw invalid(`The body's JSON has an object of more than ${MOST_KEYS} fields`, null, "json_too_wide");
  }
  return value;
}

/** Fields of one object: each wrong one costs time before the request is refused. */
const MOST_KEYS = 4096;

function tooWide(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(tooWide);
  const fields = Object.values(value);
  return fields.length > MOST_KEYS || fields.some(tooWide);
}

/** Reads a form with files. `hint`: what to do with larger ones. Throws ApiError: 415, 413, 400. */
export async function readForm(request: Request, most: number, hint: string): Promise<FormData> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) throw unsupportedType("multipart/form-data");
  const bytes = await readBytes(request, most, `; ${hint}`);
  try {
    return await new Response(bytes, { headers: { "content-type": type } }).formData();
  } catch {
    throw invalid("The body is not valid multipart/form-data", null, "invalid_form");
  }
}

function unsupportedType(wanted: string): ApiError {
  return new ApiError(415, `The body must be ${wanted}`, "invalid_request_error", "unsupported_media_type");
}

async function readBytes(request: Request, most: number, hint = ""): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = (): ApiError =>
    new ApiError(
      413,
      `The body is larger than ${most >> 20} MiB${hint}`,
      "invalid_request_error",
      "body_too_large",
      null,
      // What is still on its way is not read.
      { connection: "close" },
    );
  if (Number(request.headers.get("content-length") ?? 0) > most) throw tooLarge();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const piece of request.body ?? []) {
      length += piece.length;
      if (length > most) break;
      pieces.push(piece);
    }
  } catch {
    throw new ApiError(400, "The body ended early", "invalid_request_error", "body_incomplete");
  }
  if (length > most) throw tooLarge();
  if (pieces.length === 1) return pieces[0];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Deepest nesting of brackets outside strings; stops counting past `most`. */
function jsonDepth(bytes: Uint8Array, most: number): number {
  let depth = 0, deepest = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === 0x22) {
      // To the end of the string: the next quote that no odd run of backslashes precedes.
      for (;;) {
        i = bytes.indexOf(0x22, i + 1);
        if (i < 0) return deepest;
        let slashes = 0;
        while (bytes[i - 1 - slashes] === 0x5c) slashes++;
        if (slashes % 2 === 0) break;
      }
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > deepest) deepest = depth;
      if (depth > most) return depth;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return deepest;
}
