/** Device memory: buffers with an identity, and row-major matrices in them. */
import type { Gpu } from "./device.ts";
import { GpuError } from "./device.ts";

/** A GPUBuffer with a small number that keys bind groups. */
export interface Buf {
  readonly gpu: GPUBuffer;
  readonly id: number;
  readonly size: number;
}

/** A row-major matrix [rows, cols] of 32-bit elements; row r starts at offset + 4·r·stride bytes. */
export interface Tensor {
  buf: Buf;
  /** Byte offset in the buffer (a multiple of the adapter's storage alignment where it is bound). */
  offset: number;
  rows: number;
  cols: number;
  /** Elements from row to row: cols rounded up to 8; the padding holds zeros. */
  stride: number;
  /** Bytes to bind where that is not rows · stride · 4 (a view of some columns). */
  bytes?: number;
}

/** A 2-D texture of rgba32uint texels, seen as one long list: texel i lies at (i mod 8192, i div 8192). */
export interface Texels {
  texture: GPUTexture;
  view: GPUTextureView;
  readonly id: number;
  bytes: number;
}

/** A device and its memory. */
export interface OnDevice {
  readonly gpu: Gpu;
  readonly memory: Memory;
}

/** Width of every texel list; kernels know it (TEXEL_ROW). */
export const TEXEL_ROW = 8192;

/** Bytes of one uniform window. */
export const WINDOW = 65536;

export const pad = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Bytes that the tensor spans. */
export const byteLength = (t: Tensor): number => t.bytes ?? t.rows * t.stride * 4;

/** Counts and hands out buffers; `live` must come back to where it was (tests hold that). */
export class Memory {
  #next = 1;
  #live = new Map<number, Buf>();
  #textures = new Map<number, Texels>();
  /** Bytes in live buffers. */
  bytes = 0;

  constructor(readonly gpu: Gpu) {}

  get live(): number {
    return this.#live.size + this.#textures.size;
  }

  /** A zero-filled storage buffer. @throws GpuError when larger than the adapter allows. */
  buffer(label: string, size: number, extraUsage = 0): Buf {
    const bytes = Math.max(16, pad(size, 16));
    if (bytes > this.gpu.limits.bufferSize) {
      throw new GpuError(
        `Cannot allocate ${label}: ${bytes} bytes, the adapter allows ${this.gpu.limits.bufferSize}`,
      );
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC | extraUsage;
    const buf = {
      gpu: this.gpu.device.createBuffer({ label, size: bytes, usage }),
      id: this.#next++,
      size: bytes,
    };
    this.#live.set(buf.id, buf);
    this.bytes += bytes;
    return buf;
  }

  /** A buffer that the host maps for reading. */
  staging(label: string, size: number): Buf {
    const bytes = pad(size, 16);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const buf = {
      gpu: this.gpu.device.createBuffer({ label, size: bytes, usage }),
      id: this.#next++,
      size: bytes,
    };
    this.#live.set(buf.id, buf);
    this.bytes += bytes;
    return buf;
  }

  /** A zero-filled matrix that kernels may also read through uniform windows. */
  tensor(label: string, rows: number, cols: number): Tensor {
    const stride = pad(cols, 8);
    const size = rows * stride * 4 + WINDOW; // a window may begin at any row
    return { buf: this.buffer(label, size, GPUBufferUsage.UNIFORM), offset: 0, rows, cols, stride };
  }

  /** A buffer filled from the host; any typed array, uploaded byte for byte. */
  upload(label: string, data: ArrayBufferView): Buf {
    const buf = this.buffer(label, data.byteLength);
    this.write(buf, 0, data);
    return buf;
  }

  /** Writes bytes; a tail that is no multiple of 4 is padded with zeros. */
  write(buf: Buf, offset: number, data: ArrayBufferView): void {
    let bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    if (bytes.byteLength % 4) {
      const whole = new Uint8Array(pad(bytes.byteLength, 4));
      whole.set(bytes);
      bytes = whole;
    }
    this.gpu.queue.writeBuffer(buf.gpu, offset, bytes);
  }

  /** Texels filled from 32-bit words (four a texel). @throws GpuError when larger than a texture may be. */
  texels(label: string, data: Uint32Array<ArrayBuffer>): Texels {
    const made = this.emptyTexels(label, Math.ceil(data.length / 4));
    const { texture } = made;
    const whole = Math.floor(data.length / 4 / TEXEL_ROW);
    const layout = { bytesPerRow: TEXEL_ROW * 16 };
    if (whole) {
      this.gpu.queue.writeTexture({ texture }, data.subarray(0, whole * TEXEL_ROW * 4), layout, [
        TEXEL_ROW,
        whole,
      ]);
    }
    const rest = data.subarray(whole * TEXEL_ROW * 4);
    if (rest.length) {
      const count = Math.ceil(rest.length / 4);
      const last = new Uint32Array(count * 4);
      last.set(rest);
      this.gpu.queue.writeTexture({ texture, origin: [0, whole] }, last, layout, [count, 1]);
    }
    return made;
  }

  /** Zero-filled texels that kernels may also write. */
  emptyTexels(label: string, count: number): Texels {
    const height = Math.max(1, Math.ceil(count / TEXEL_ROW));
    if (height > this.gpu.limits.textureRows) {
      throw new GpuError(
        `Cannot allocate ${label}: ${height} texture rows, the adapter allows ${this.gpu.limits.textureRows}`,
      );
    }
    const texture = this.gpu.device.createTexture({
      label,
      size: [TEXEL_ROW, height],
      format: "rgba32uint",
      usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST |
        GPUTextureUsage.COPY_SRC,
    });
    const bytes = TEXEL_ROW * height * 16;
    const made = { texture, view: texture.createView(), id: this.#next++, bytes };
    this.#textures.set(made.id, made);
    this.bytes += bytes;
    return made;
  }

  freeTexels(texels: Texels): void {
    if (!this.#textures.delete(texels.id)) return;
    this.bytes -= texels.bytes;
    texels.texture.destroy();
  }

  free(buf: Buf): void {
    if (!this.#live.delete(buf.id)) return;
    this.bytes -= buf.size;
    buf.gpu.destroy();
  }

  freeAll(): void {
    for (const buf of [...this.#live.values()]) this.free(buf);
    for (const texels of [...this.#textures.values()]) this.freeTexels(texels);
  }
}

/** The same memory seen with other rows and columns; only where rows lie without padding between them. */
export function reshape(t: Tensor, rows: number, cols: number): Tensor {
  if (t.stride !== t.cols || rows * cols !== t.rows * t.cols || cols % 8) {
    throw new GpuError(`Cannot view [${t.rows}, ${t.cols}] (stride ${t.stride}) as [${rows}, ${cols}]`);
  }
  return { buf: t.buf, offset: t.offset, rows, cols, stride: cols };
}

/** `rows` rows from `start` on. */
export function rowsOf(t: Tensor, start: number, rows: number): Tensor {
  return { ...t, offset: t.offset + start * t.stride * 4, rows, bytes: undefined };
}

/**
 * Row ranges whose bindings stay within the adapter's limit: [first, count], first a multiple of 64 so that per-row host
 * data is aligned too. One range where everything fits.
 */
export function* rowSlices(
  gpu: Gpu,
  rows: number,
  ...strides: number[]
): Generator<[first: number, count: number]> {
  const fit = Math.floor(gpu.limits.storageBinding / (Math.max(...strides) * 4));
  if (rows <= fit) {
    yield [0, rows];
    return;
  }
  const step = Math.floor(fit / 64) * 64;
  if (step === 0) {
    throw new GpuError(`Cannot bind 64 rows of ${Math.max(...strides)} elements: over the adapter's limit`);
  }
  for (let first = 0; first < rows; first += step) yield [first, Math.min(step, rows - first)];
}

/** Per-row host data (`each` elements a row) of rows [first, first + count). */
export function hostRows(t: Tensor, first: number, count: number, each: number): Tensor {
  const cols = Math.max(4, count * each);
  return { buf: t.buf, offset: t.offset + first * each * 4, rows: 1, cols, stride: cols };
}

/** Columns from `start` (a multiple of 64) on, up to the end of the rows. */
export function columnsFrom(t: Tensor, start: number): Tensor {
  return {
    ...t,
    offset: t.offset + start * 4,
    cols: t.cols - start,
    bytes: t.rows * t.stride * 4 - start * 4,
  };
}

/**
 * Named scratch tensors that grow and stay, so that bind groups stay valid from step to step.
 * Outgrown buffers are freed by `collect`, when no recorded command can refer to them any more.
 */
export class Workspace {
  #tensors = new Map<string, Tensor>();
  #retired: Buf[] = [];

  constructor(readonly memory: Memory) {}

  /** A tensor of at least this size under `name`; contents are whatever the last user left. */
  get(name: string, rows: number, cols: number): Tensor {
    const stride = pad(cols, 8);
    const key = `${name}/${stride}`;
    const found = this.#tensors.get(key);
    if (found && found.rows >= rows) return { ...found, rows, cols };
    if (found) this.#retired.push(found.buf);
    const capacity = rows <= 1 ? rows : Math.max(8, 2 ** Math.ceil(Math.log2(rows)));
    const made = this.memory.tensor(name, capacity, cols);
    this.#tensors.set(key, made);
    return { ...made, rows, cols };
  }

  /**
   * This step's host data under `name`, in a buffer that stays: written before the step's submit, overwritten by the
   * next step's. The view's size is a power of two, so that bind groups stay valid.
   */
  host(name: string, data: Uint32Array<ArrayBuffer>): Tensor {
    const cols = 2 ** Math.ceil(Math.log2(Math.max(16, data.length)));
    const found = this.#tensors.get(`host ${name}`);
    const tensor = found && found.cols >= cols ? found : {
      buf: this.memory.buffer(name, cols * 4),
      offset: 0,
      rows: 1,
      cols,
      stride: cols,
    };
    if (found && tensor !== found) this.#retired.push(found.buf);
    this.#tensors.set(`host ${name}`, tensor);
    this.memory.write(tensor.buf, 0, data);
    return tensor;
  }

  /** Frees a buffer with the next `collect`. */
  retire(buf: Buf): void {
    this.#retired.push(buf);
  }

  /** Frees what was outgrown before the last submit. True when anything was. */
  collect(): boolean {
    const any = this.#retired.length > 0;
    for (const buf of this.#retired) this.memory.free(buf);
    this.#retired = [];
    return any;
  }
}
