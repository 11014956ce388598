/** Content parts with media, whatever their spelling: what they hold and where, and how many a request may have. */

import type { MediaKind, MediaLimits } from "../families/family.ts";
import type { WireMessage, WirePart } from "./content_schema.ts";
import { invalid } from "./errors.ts";
import type { Limits } from "./limits.ts";

/** An address, a list of them (frames), or plain base64. */
export type Source = { address: string | string[] } | { base64: string };

/** The medium of a part and the field that holds it. */
export function locate(part: WirePart, at: string): { kind: MediaKind; param: string; source: Source } {
  const url = (value: string | { url: string }) => ({
    address: typeof value === "string" ? value : value.url,
  });
  switch (part.type) {
    case "image_url":
      return { kind: "image", param: `${at}.image_url`, source: url(part.image_url) };
    case "audio_url":
      return { kind: "audio", param: `${at}.audio_url`, source: url(part.audio_url) };
    case "video_url":
      return { kind: "video", param: `${at}.video_url`, source: url(part.video_url) };
    case "input_audio":
      return { kind: "audio", param: `${at}.input_audio`, source: dataOrAddress(part.input_audio.data) };
    case "input_video": {
      const value = part.input_video.data ?? part.input_video.url;
      if (!value) throw invalid(`${at}.input_video: data is missing`, `${at}.input_video`, "invalid_value");
      return { kind: "video", param: `${at}.input_video`, source: dataOrAddress(value) };
    }
    case "image":
      return { kind: "image", param: `${at}.image`, source: { address: part.image } };
    case "audio":
      return { kind: "audio", param: `${at}.audio`, source: { address: part.audio } };
    case "video":
      return { kind: "video", param: `${at}.video`, source: { address: part.video } };
    default:
      throw invalid(`${at}: this type of part is not supported here`, at, "invalid_value");
  }
}

/** Fields that hold plain base64 hold an address in some clients. */
function dataOrAddress(value: string): Source {
  return /^\s*[a-z][a-z0-9+.-]*:/i.test(value) ? { address: value } : { base64: value };
}

/** The wire's names of media limits. */
export function mediaLimits(given: {
  fps?: number | null;
  nframes?: number | null;
  min_pixels?: number | null;
  max_pixels?: number | null;
  min_frames?: number | null;
  max_frames?: number | null;
}): MediaLimits {
  const limits: MediaLimits = {};
  const { fps, nframes, min_pixels, max_pixels, min_frames, max_frames } = given;
  if (fps != null) limits.fps = fps;
  if (nframes != null) limits.nframes = nframes;
  if (min_pixels != null) limits.minPixels = min_pixels;
  if (max_pixels != null) limits.maxPixels = max_pixels;
  if (min_frames != null) limits.minFrames = min_frames;
  if (max_frames != null) limits.maxFrames = max_frames;
  return limits;
}

/** Throws ApiError naming the limit. */
export function countParts(messages: WireMessage[], limits: Limits): void {
  const parts = messages.flatMap(({ content }) => Array.isArray(content) ? content as WirePart[] : []);
  const kinds = { image: 0, audio: 0, video: 0 };
  for (const { type } of parts) {
    const kind = /image|audio|video/.exec(type)?.[0] as MediaKind | undefined;
    if (kind !== undefined) kinds[kind]++;
  }
  const over = [
    [parts.length, limits.parts, "content parts"],
    [kinds.image, limits.images, "pictures"],
    [kinds.audio, limits.audios, "sounds"],
    [kinds.video, limits.videos, "videos"],
  ] as const;
  for (const [count, most, what] of over) {
    if (count > most) {
      throw invalid(`The request has ${count} ${what}; the limit is ${most}`, "messages", "too_many_parts");
    }
  }
}
