/** The fake model's toy vocabulary: one id a byte, and a few control tokens. */

export const CONTROL = {
  imStart: 256,
  imEnd: 257,
  image: 258,
  video: 259,
  audio: 260,
  mediaStart: 261,
  mediaEnd: 262,
} as const;

export const VOCABULARY_SIZE = 263;

const TEXTS: Record<number, string> = {
  [CONTROL.imStart]: "<|im_start|>",
  [CONTROL.imEnd]: "<|im_end|>",
  [CONTROL.image]: "<|image|>",
  [CONTROL.video]: "<|video|>",
  [CONTROL.audio]: "<|audio|>",
  [CONTROL.mediaStart]: "<|media_start|>",
  [CONTROL.mediaEnd]: "<|media_end|>",
};

/** UTF-8 bytes of an id; a control token has some only with `keepSpecial`. */
export function bytesOf(id: number, keepSpecial: boolean): Uint8Array {
  if (id < 256) return Uint8Array.of(id);
  return keepSpecial ? new TextEncoder().encode(TEXTS[id] ?? "") : new Uint8Array(0);
}

export function encodeText(text: string): Uint32Array {
  return Uint32Array.from(new TextEncoder().encode(text));
}

export function decodeIds(ids: Iterable<number>, keepSpecial = false): string {
  const stream = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  for (const id of ids) text += stream.decode(bytesOf(id, keepSpecial), { stream: true });
  return text + stream.decode();
}
