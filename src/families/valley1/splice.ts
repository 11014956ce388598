/** Where the tokens of a clip go in a prompt of Valley (2023) (VALLEY1.md "Splicing into the prompt"). */

/** Ids of the six added tokens: the checkpoint's own, never fixed numbers. */
export interface MarkerIds {
  imPatch: number;
  imStart: number;
  imEnd: number;
  viStart: number;
  viEnd: number;
  viFrame: number;
}

/** A run of prompt tokens that the medium's tokens from `offset` on fill: patches first, then frames. */
export interface Splice {
  start: number;
  length: number;
  offset: number;
}

/**
 * CRITICAL: patches go after every `<im_start>`, or it is an error; frame tokens go after every `<vi_start>` only if
 * everything about them fits, else the official code leaves all of them as they are.
 * @throws Error where `<im_start>` and `<im_end>` do not fit
 */
export function splices(
  ids: ArrayLike<number>,
  markers: MarkerIds,
  { patches, frames }: { patches: number; frames: number },
): Splice[] {
  const all = Array.from(ids);
  const places = (id: number): number[] => all.flatMap((v, i) => v === id ? [i] : []);
  if (!all.includes(markers.imPatch)) return [];
  const starts = places(markers.imStart);
  if (starts.length !== places(markers.imEnd).length) {
    throw new Error("Cannot place the picture: <im_start> and <im_end> differ in number");
  }
  for (const at of starts) {
    if (all[at + patches + 1] !== markers.imEnd) {
      throw new Error(`Cannot place the picture: no <im_end> after ${patches} tokens`);
    }
  }
  const out = starts.map((at) => ({ start: at + 1, length: patches, offset: 0 }));
  const clips = places(markers.viStart);
  const fits = places(markers.viFrame).length === frames && clips.length === places(markers.viEnd).length &&
    clips.every((at) => all[at + frames + 1] === markers.viEnd);
  if (fits) out.push(...clips.map((at) => ({ start: at + 1, length: frames, offset: patches })));
  return out.sort((a, b) => a.start - b.start);
}
