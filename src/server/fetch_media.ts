/** From an address in a request to bytes: data URLs, and the hosts and the folder that the operator allows. */

import { Turns } from "../common/turns.ts";
import type { MediaKind } from "../families/family.ts";
import { invalid } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { localMedia } from "./local_media.ts";
import type { MediaPlace } from "./media_place.ts";
import { type RemoteMedia, tooLarge } from "./remote_media.ts";

/** What may be read besides data URLs. */
export interface MediaAccess {
  remote: RemoteMedia;
  folder: string | null;
}

/** The bytes at an address. Throws ApiError. */
export async function fetchMedia(
  address: string,
  place: MediaPlace,
  { limits, media, signal }: { limits: Limits; media: MediaAccess; signal: AbortSignal },
): Promise<Uint8Array> {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(address)?.[1].toLowerCase() ?? null;
  const { param } = place;
  switch (scheme) {
    case "data":
      return await decodeBase64(dataOf(address, param).base64, place, limits);
    case "http":
    case "https":
      return await media.remote.get(address.trim(), place, mostBytes(place.kind, limits), signal);
    case "file":
    case null:
      return await localMedia(address, place, media.folder, mostBytes(place.kind, limits));
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

/**
 * Bytes of plain base64, held to the kind's limit before it is decoded; others have their turn while it is. Rejects with
 * ApiError.
 */
export async function decodeBase64(
  base64: string,
  { kind, param }: MediaPlace,
  limits: Limits,
): Promise<Uint8Array> {
  const most = mostBytes(kind, limits);
  if (base64.length * 3 / 4 > most + 3) throw tooLarge({ kind, param }, most);
  try {
    const bytes = await bytesOf(base64);
    if (bytes.length > 0) return bytes;
  } catch { /* told below */ }
  throw invalid(`${param}: the ${kind} is not base64`, param, "invalid_base64");
}

/** Characters decoded in one go. */
const PIECE = 1 << 20;

/** The same as `Uint8Array.fromBase64`, piece by piece. Rejects with SyntaxError. */
async function bytesOf(base64: string): Promise<Uint8Array> {
  if (base64.length <= PIECE) return Uint8Array.fromBase64(base64);
  const turns = new Turns(), padding = /=*$/.exec(base64.slice(-2))![0].length;
  const bytes = new Uint8Array(Math.floor(base64.length / 4 * 3) - padding);
  let at = 0, filled = 0;
  while (at + PIECE < base64.length) {
    const piece = base64.slice(at, at + PIECE), room = bytes.subarray(filled);
    if (piece.includes("=")) break; // nothing may follow the padding
    const { read, written } = room.setFromBase64(piece, { lastChunkHandling: "stop-before-partial" });
    if (read === 0) break; // nearly all of it is white space
    at += read;
    filled += written;
    await turns.next();
  }
  const last = Uint8Array.fromBase64(base64.slice(at));
  bytes.set(last, filled);
  filled += last.length;
  return filled === bytes.length ? bytes : bytes.slice(0, filled);
}

function mostBytes(kind: MediaKind, limits: Limits): number {
  return { image: limits.imageBytes, audio: limits.audioBytes, video: limits.videoBytes }[kind];
}

function dataOf(url: string, param: string): { base64: string } {
  const comma = url.indexOf(",");
  const head = url.slice(0, Math.max(0, comma));
  if (comma < 0 || head.length > 256 || !/;base64$/i.test(head)) {
    throw invalid(`${param}: a data: URL must be base64`, param, "invalid_data_url");
  }
  return { base64: url.slice(comma + 1) };
}
