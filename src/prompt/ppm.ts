/** A stream of binary PPM pictures (what ffmpeg's image2pipe writes), cut in frames as the bytes come. */

import type { Raster } from "../families/family.ts";

const LONGEST_HEADER = 64;

export class PpmStream {
  readonly #onFrame: (frame: Raster) => void;
  readonly #maxPixels: number;
  /** Bytes of a header that is not complete yet. */
  #header: number[] = [];
  #frame: Raster | null = null;
  #filled = 0;

  /** `onFrame` is called once a picture; it may keep it. */
  constructor(maxPixels: number, onFrame: (frame: Raster) => void) {
    this.#maxPixels = maxPixels;
    this.#onFrame = onFrame;
  }

  /** Throws an Error on what is not such a stream. */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#frame === null) {
        this.#header.push(bytes[at++]);
        this.#startFrame();
        continue;
      }
      const { rgb } = this.#frame;
      const part = bytes.subarray(at, at + rgb.length - this.#filled);
      rgb.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < rgb.length) return;
      const frame = this.#frame;
      this.#frame = null, this.#filled = 0;
      this.#onFrame(frame);
    }
  }

  /** Opens a frame once "P6\nwidth height\n255\n" is complete. */
  #startFrame(): void {
    const match = /^P6\s(\d{1,6})\s(\d{1,6})\s255\s$/.exec(String.fromCharCode(...this.#header));
    if (match === null) {
      if (this.#header.length > LONGEST_HEADER) throw new Error("Cannot read frames: not a PPM header");
      return;
    }
    const [width, height] = [Number(match[1]), Number(match[2])];
    if (width < 1 || height < 1 || width * height > this.#maxPixels) {
      throw new Error(`Cannot read frames: ${width}×${height} pixels`);
    }
    this.#header = [];
    this.#frame = { width, height, rgb: new Uint8Array(width * height * 3) };
  }
}
