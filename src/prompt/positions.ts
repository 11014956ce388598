/**
 * Rotary positions on three axes (time, height, width) of an expanded prompt, as Qwen3-Omni's `get_rope_index`
 * and Valley3 give them (VALLEY3.md "Position ids"). Positions are floats and may be fractional.
 */

/** Grid [t, h, w] in patches, not merged. */
export type Grid = readonly [t: number, h: number, w: number];

/** Ids that the walk looks for. */
export interface PositionTokens {
  image: number;
  video: number;
  audio: number;
  visionStart: number;
  audioStart: number;
}

export interface PositionMedia {
  /** Grids of the pictures, in prompt order. */
  images: readonly Grid[];
  /** The videos, in prompt order. */
  videos: readonly { grid: Grid; secondPerGrid: number }[];
  /** Tokens of each sound in prompt order, soundtracks included. */
  audios: readonly number[];
  /** Side of a merged block of patches. */
  mergeSize: number;
  positionIdPerSeconds: number;
}

export interface RopePositions {
  /** [3, T], row-major. */
  positions: Float32Array;
  /** 1 + largest position − T. */
  ropeDelta: number;
}

/** Position triples of one block, [3][n]. */
interface Triples {
  t: number[];
  h: number[];
  w: number[];
}

/**
 * `ids`: the prompt after expansion [T]. Null where it holds no picture and no video: 0, 1, 2 … on every axis.
 * Throws an Error where ids and media do not fit together.
 */
export function mropePositions(
  ids: ArrayLike<number>,
  tokens: PositionTokens,
  media: PositionMedia,
): RopePositions | null {
  if (media.images.length === 0 && media.videos.length === 0) return null;
  const length = ids.length;
  const positions = new Float32Array(3 * length);
  let at = 0, next = 0, image = 0, video = 0, audio = 0;

  const plain = (): void => {
    for (let axis = 0; axis < 3; axis++) positions[axis * length + at] = next;
    at++, next++;
  };
  const write = ({ t, h, w }: Triples): void => {
    for (let i = 0; i < t.length; i++, at++) {
      positions[at] = t[i], positions[length + at] = h[i], positions[2 * length + at] = w[i];
    }
  };

  while (at < length) {
    const id = ids[at];
    if (id === tokens.visionStart && ids[at + 1] === tokens.audioStart) {
      plain(), plain();
      const { grid, secondPerGrid } = taken(media.videos[video++], "video");
      const sound = taken(media.audios[audio++], "sound");
      const seen = gridTriples(grid, media.mergeSize, next, secondPerGrid * media.positionIdPerSeconds);
      const merged = mergeByTime(seen, next, sound);
      write(merged.block);
      next = 1 + merged.tailMaximum;
    } else if (id === tokens.image) {
      const block = gridTriples(taken(media.images[image++], "picture"), media.mergeSize, next, 0);
      write(block);
      next = 1 + maximum(block, 0);
    } else if (id === tokens.video) {
      const { grid, secondPerGrid } = taken(media.videos[video++], "video");
      const step = secondPerGrid * media.positionIdPerSeconds;
      const block = gridTriples(grid, media.mergeSize, next, step);
      write(block);
      next = 1 + maximum(block, 0);
    } else {
      if (id === tokens.audioStart) audio++; // its pads count as text
      plain();
    }
    if (at > length) throw new Error("Cannot place positions: a medium has more tokens than the prompt");
  }
  if (image !== media.images.length || video !== media.videos.length || audio !== media.audios.length) {
    throw new Error("Cannot place positions: media and prompt disagree");
  }
  let largest = 0;
  for (const position of positions) if (position > largest) largest = position;
  return { positions, ropeDelta: 1 + largest - length };
}

/** T = start + t · step, H = start + row, W = start + column of the merged grid, frame after frame. */
function gridTriples(grid: Grid, mergeSize: number, start: number, step: number): Triples {
  const [frames, h, w] = grid;
  const rows = h / mergeSize, columns = w / mergeSize;
  const block: Triples = { t: [], h: [], w: [] };
  for (let t = 0; t < frames; t++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        block.t.push(start + t * step), block.h.push(start + row), block.w.push(start + column);
      }
    }
  }
  return block;
}

/**
 * A video and its sound from the same `start`, merged by time with the video first on ties. The tail is what was
 * left of one stream when the other ended; CRITICAL: what follows goes on from the tail's maximum alone.
 */
function mergeByTime(seen: Triples, start: number, sound: number): { block: Triples; tailMaximum: number } {
  const block: Triples = { t: [], h: [], w: [] };
  const total = seen.t.length;
  let v = 0, a = 0, tail = 0;
  const video = (): void => {
    block.t.push(seen.t[v]), block.h.push(seen.h[v]), block.w.push(seen.w[v]);
    v++;
  };
  const audio = (): void => {
    block.t.push(start + a), block.h.push(start + a), block.w.push(start + a);
    a++;
  };
  while (v < total && a < sound) seen.t[v] <= start + a ? video() : audio();
  tail = block.t.length;
  while (v < total) video();
  while (a < sound) audio();
  return { block, tailMaximum: maximum(block, tail) };
}

/** Largest of the triples from entry `from` on. */
function maximum({ t, h, w }: Triples, from: number): number {
  let largest = -Infinity;
  for (let i = from; i < t.length; i++) largest = Math.max(largest, t[i], h[i], w[i]);
  return largest;
}

function taken<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`Cannot place positions: the prompt has a ${what} too many`);
  return value;
}
