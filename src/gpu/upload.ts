/** Bytes on their way into device memory, in order and in pieces: the host never holds a whole tensor. */
import type { Gpu } from "./device.ts";
import { type Buf, TEXEL_ROW, type Texels } from "./tensor.ts";

/** Bytes of one piece: whole texel rows. */
export const PIECE = 64 * TEXEL_ROW * 16;

/** After so many bytes the queue is told to begin, so that what it has copied can be given back. */
const SUBMIT = 8 * PIECE;

/** Where bytes for the device are written, one piece after another. */
export interface Sink {
  /** Bytes that `take` gives without sending first, at most PIECE. */
  readonly room: number;
  /** Room for the next `length` bytes (a multiple of 16, at most PIECE), to be filled before the next call; not cleared. */
  take(length: number): Uint8Array<ArrayBuffer>;
}

export class Upload implements Sink {
  #filled = 0;
  #sinceSubmit = 0;

  /**
   * @param staging PIECE bytes that hold what was not sent yet; may serve the next upload after `end`
   * @param at where in the target the first byte goes; a multiple of 16
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly target: Buf | Texels,
    private readonly staging: Uint8Array<ArrayBuffer>,
    private at = 0,
  ) {}

  get room(): number {
    return PIECE - this.#filled;
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > this.room) this.#send();
    this.#filled += length;
    return this.staging.subarray(this.#filled - length, this.#filled);
  }

  end(): void {
    this.#send();
    this.gpu.queue.submit([]);
  }

  #send(): void {
    const bytes = this.staging.subarray(0, this.#filled);
    if (bytes.length === 0) return;
    if ("view" in this.target) this.#sendTexels(this.target, bytes);
    else this.gpu.queue.writeBuffer(this.target.gpu, this.at, bytes);
    this.at += bytes.length;
    this.#filled = 0;
    this.#sinceSubmit += bytes.length;
    if (this.#sinceSubmit < SUBMIT) return;
    this.#sinceSubmit = 0;
    this.gpu.queue.submit([]);
  }

  /** The rest of the first row, whole rows, the start of the last. */
  #sendTexels({ texture }: Texels, bytes: Uint8Array<ArrayBuffer>): void {
    for (let sent = 0; sent < bytes.length;) {
      const texel = (this.at + sent) / 16;
      const x = texel % TEXEL_ROW;
      const left = (bytes.length - sent) / 16;
      const rows = x === 0 ? Math.max(1, Math.floor(left / TEXEL_ROW)) : 1;
      const width = Math.min(left, TEXEL_ROW - x);
      this.gpu.queue.writeTexture(
        { texture, origin: [x, Math.floor(texel / TEXEL_ROW)] },
        bytes.subarray(sent, sent + rows * width * 16),
        { bytesPerRow: width * 16 },
        [width, rows],
      );
      sent += rows * width * 16;
    }
  }
}
