/** A request's body: counted while it comes in; JSON is looked over too, before it is parsed. */

import { JsonLimitError, JsonScan } from "../common/json_scan.ts";
import { ApiError, invalid } from "./errors.ts";
import type { Limits } from "./limits.ts";

/** Reads a JSON body, unless it was parsed before (`Exchange.body`). Throws ApiError: 415, 413, 400. */
export async function readJson(request: Request, limits: Limits, parsed?: unknown): Promise<unknown> {
  if (parsed !== undefined) return parsed;
  const type = request.headers.get("content-type")?.split(";")[0].trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[\w.-]+\+json$/.test(type)) {
    throw unsupportedType("application/json");
  }
  const scan = new JsonScan(limits.jsonDepth), decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  // Piece by piece: decoding a large body at once would hold up everybody else.
  for await (const piece of piecesOf(request, limits.bodyBytes)) {
    looked(scan, piece);
    text += decoded(() => decoder.decode(piece, { stream: true }));
  }
  text += decoded(() => decoder.decode());
  if (text === "") throw invalid("The body is empty; it must be a JSON object", null, "invalid_json");
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("The body is not valid JSON", null, "invalid_json");
  }
}

function looked(scan: JsonScan, piece: Uint8Array): void {
  try {
    scan.push(piece);
  } catch (error) {
    if (!(error instanceof JsonLimitError)) throw error;
    throw invalid(`The body's JSON ${error.message}`, null, error.code);
  }
}

function decoded(work: () => string): string {
  try {
    return work();
  } catch {
    throw invalid("The body is not UTF-8", null, "invalid_json");
  }
}

export function unsupportedType(wanted: string): ApiError {
  return new ApiError(415, `The body must be ${wanted}`, "invalid_request_error", "unsupported_media_type");
}

/** The body as it comes. `hint`: what to do with a larger one. Throws ApiError: 413 beyond `most` bytes, 400 when it ends early. */
export async function* piecesOf(
  request: Request,
  most: number,
  hint = "",
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
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
  let length = 0;
  try {
    for await (const piece of request.body ?? []) {
      length += piece.length;
      if (length > most) break;
      yield piece;
    }
  } catch {
    throw new ApiError(400, "The body ended early", "invalid_request_error", "body_incomplete");
  }
  if (length > most) throw tooLarge();
}
