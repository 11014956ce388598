/**
 * Placeholder expansion: the one placeholder id that the template wrote becomes as many as the medium has
 * tokens; a video with its sound becomes both streams' ids interleaved by time (VALLEY3.md).
 */

import type { MediaSpan } from "../families/family.ts";

export interface PlaceholderTokens {
  image: number;
  video: number;
  audio: number;
  audioStart: number;
  audioEnd: number;
}

/** One placeholder of the prompt, in prompt order. `media`: index into `Prompt.media`. */
export type Placeholder =
  | { kind: "image" | "video" | "audio"; media: number; tokens: number }
  | {
    kind: "video-with-audio";
    /** Video tokens and the index of its feature. */
    media: number;
    tokens: number;
    /** Video tokens of one temporal patch. */
    tokensPerGrid: number;
    /** Time of one temporal patch in audio tokens: second_per_grid · P. */
    timePerGrid: number;
    audioMedia: number;
    audioTokens: number;
  };

export interface Expanded {
  ids: Uint32Array;
  spans: MediaSpan[];
}

/**
 * `ids`: the tokenized prompt with one placeholder id a medium. Throws an Error where placeholders and media do
 * not match in number and kind.
 */
export function expandPlaceholders(
  ids: ArrayLike<number>,
  placeholders: readonly Placeholder[],
  tokens: PlaceholderTokens,
): Expanded {
  const out: number[] = [];
  const spans: MediaSpan[] = [];
  let used = 0;

  const run = (id: number, media: number, offset: number, length: number): void => {
    if (length === 0) return;
    spans.push({ media, start: out.length, length, offset });
    for (let i = 0; i < length; i++) out.push(id);
  };

  for (let at = 0; at < ids.length; at++) {
    const id = ids[at];
    const kind = id === tokens.image
      ? "image"
      : id === tokens.video
      ? "video"
      : id === tokens.audio
      ? "audio"
      : null;
    if (kind === null) {
      out.push(id);
      continue;
    }
    const medium = placeholders[used++];
    if (medium === undefined || (medium.kind === "video-with-audio" ? "video" : medium.kind) !== kind) {
      throw new Error("Cannot expand placeholders: media and prompt disagree");
    }
    if (medium.kind !== "video-with-audio") {
      run(id, medium.media, 0, medium.tokens);
      continue;
    }
    out.push(tokens.audioStart);
    for (const { stream, offset, length } of interleave(medium)) {
      if (stream === "video") run(tokens.video, medium.media, offset, length);
      else run(tokens.audio, medium.audioMedia, offset, length);
    }
    out.push(tokens.audioEnd);
  }
  if (used !== placeholders.length) throw new Error("Cannot expand placeholders: media and prompt disagree");
  return { ids: Uint32Array.from(out), spans };
}

/**
 * Runs of video and audio tokens in time order: the video token of patch t has time t · timePerGrid, audio
 * token j time j; the video comes first while its time ≤ the sound's, and what is left of one stream follows.
 */
export function interleave(
  medium: { tokens: number; tokensPerGrid: number; timePerGrid: number; audioTokens: number },
): { stream: "video" | "audio"; offset: number; length: number }[] {
  const runs: { stream: "video" | "audio"; offset: number; length: number }[] = [];
  const push = (stream: "video" | "audio", offset: number, length: number): void => {
    const last = runs.at(-1);
    if (length === 0) return;
    if (last?.stream === stream) last.length += length;
    else runs.push({ stream, offset, length });
  };
  let v = 0, a = 0;
  while (v < medium.tokens && a < medium.audioTokens) {
    const grid = Math.floor(v / medium.tokensPerGrid);
    if (grid * medium.timePerGrid <= a) {
      push("video", v, medium.tokensPerGrid);
      v += medium.tokensPerGrid;
    } else {
      push("audio", a, 1);
      a++;
    }
  }
  push("video", v, medium.tokens - v);
  push("audio", a, medium.audioTokens - a);
  return runs;
}
