/**
 * From an address in a request to bytes. Data URLs only: hosts and folders are refused until the operator can
 * allow them, and then pass here and nowhere else.
 */

import type { MediaKind } from "../families/family.ts";
import { ApiError, invalid } from "./errors.ts";
import type { Limits } from "./limits.ts";

/** Where the medium is named in the request, for errors. */
export interface MediaPlace {
  kind: MediaKind;
  param: string;
}

/** The bytes at an address. Throws ApiError. */
export function fetchMedia(address: string, place: MediaPlace, limits: Limits): Uint8Array {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(address)?.[1].toLowerCase() ?? null;
  const { param } = place;
  switch (scheme) {
    case "data":
      return decodeBase64(dataOf(address, param).base64, place, limits);
    case "http":
    case "https":
      throw invalid(`${param}: remote media are disabled; send a data: URL`, param, "remote_media_disabled");
    case "file":
    case null:
      throw invalid(
        `${param}: files of the server are not served; send a data: URL`,
        param,
        "local_media_disabled",
      );
    default:
      throw invalid(
        `${param}: the scheme ${scheme.slice(0, 20)}: is not supported`,
        param,
        "unsupported_media_scheme",
      );
  }
}

/**
 * Frames of a video given as one data URL of type `video/jpeg` (or png, webp): base64 pictures between commas, as
 * vLLM's clients send them. null: the address is something else.
 */
export function framesOf(address: string, param: string): string[] | null {
  if (!/^\s*data:video\/(jpeg|jpg|png|webp);/i.test(address)) return null;
  return dataOf(address, param).base64.split(",").map((frame) => `data:image/jpeg;base64,${frame}`);
}

/** Bytes of plain base64, held to the kind's limit before it is decoded. */
export function decodeBase64(base64: string, { kind, param }: MediaPlace, limits: Limits): Uint8Array {
  const most = { image: limits.imageBytes, audio: limits.audioBytes, video: limits.videoBytes }[kind];
  if (base64.length * 3 / 4 > most + 3) {
    throw new ApiError(
      413,
      `${param}: the ${kind} is larger than ${most >> 20} MiB`,
      "invalid_request_error",
      `${kind}_too_large`,
      param,
    );
  }
  try {
    const bytes = Uint8Array.fromBase64(base64);
    if (bytes.length > 0) return bytes;
  } catch { /* told below */ }
  throw invalid(`${param}: the ${kind} is not base64`, param, "invalid_base64");
}

function dataOf(url: string, param: string): { base64: string } {
  const comma = url.indexOf(",");
  const head = url.slice(0, Math.max(0, comma));
  if (comma < 0 || head.length > 256 || !/;base64$/i.test(head)) {
    throw invalid(`${param}: a data: URL must be base64`, param, "invalid_data_url");
  }
  return { base64: url.slice(comma + 1) };
}
