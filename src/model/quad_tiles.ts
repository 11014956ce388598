/**
 * The order of weights in textures: tiles of 8 quads (32 rows), in which piece i of all 8 quads lie side by side. So a
 * thread that takes several quads, and the threads beside it, read neighbouring texels at the same time (what it brings:
 * bench/SPEED.md). Quads one behind the other come in, in pieces of one texel.
 */
import { PIECE, type Sink, type Upload } from "../gpu/upload.ts";

const TILE_QUADS = 8;

/** Rows of a layer that one tile holds. */
export const QUAD_TILE_ROWS = 4 * TILE_QUADS;

/** Bytes that quads of so many texels wait in: a piece beside a tile that is not full. */
export const tileStore = (texels: number): number => PIECE + TILE_QUADS * texels * 16;

export class QuadTiles implements Sink {
  #filled = 0;
  readonly #tile: number;

  /**
   * @param texels of one quad
   * @param store memory of at least `tileStore(texels)` bytes
   */
  constructor(
    private readonly upload: Upload,
    private readonly texels: number,
    private readonly store: Uint8Array<ArrayBuffer>,
  ) {
    this.#tile = TILE_QUADS * texels * 16;
    if (this.#tile > PIECE) {
      throw new Error(`Cannot lay out quads of ${texels} texels: a tile is over ${PIECE} bytes`);
    }
  }

  get room(): number {
    return Math.min(PIECE, this.store.length - this.#filled);
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > this.store.length - this.#filled) this.#send();
    this.#filled += length;
    return this.store.subarray(this.#filled - length, this.#filled);
  }

  /** Fills the last tile with zeros and sends what is held. */
  end(): void {
    const rest = this.#filled % this.#tile;
    if (rest) this.take(this.#tile - rest).fill(0);
    this.#send();
  }

  /** Sends whole tiles; what is left moves to the front. */
  #send(): void {
    const whole = this.#filled - this.#filled % this.#tile;
    const words = new Uint32Array(this.store.buffer, this.store.byteOffset, this.store.length >> 2);
    for (let at = 0; at < whole; at += this.#tile) {
      const bytes = this.upload.take(this.#tile);
      this.#turn(words, at >> 2, new Uint32Array(bytes.buffer, bytes.byteOffset, this.#tile >> 2));
    }
    this.store.copyWithin(0, whole, this.#filled);
    this.#filled -= whole;
  }

  #turn(from: Uint32Array, start: number, to: Uint32Array): void {
    const quad = this.texels * 4;
    for (let q = 0; q < TILE_QUADS; q++) {
      for (
        let at = start + q * quad, end = at + quad, out = 4 * q;
        at < end;
        at += 4, out += 4 * TILE_QUADS
      ) {
        to[out] = from[at];
        to[out + 1] = from[at + 1];
        to[out + 2] = from[at + 2];
        to[out + 3] = from[at + 3];
      }
    }
  }
}
