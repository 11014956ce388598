/** Writes a safetensors file tensor by tensor; atomic: the final name appears only when all is on disk. */
import type { Dtype } from "../gpu/safetensors.ts";

export interface PlannedTensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  bytes: number;
}

/** Streams tensors in the planned order into `path`. */
export class SafetensorsWriter {
  #at = 0;
  readonly #temporary: string;

  private constructor(
    readonly path: string,
    private readonly file: Deno.FsFile,
    private readonly plan: PlannedTensor[],
    temporary: string,
  ) {
    this.#temporary = temporary;
  }

  static create(
    path: string,
    plan: PlannedTensor[],
    metadata: Record<string, string> = {},
  ): SafetensorsWriter {
    const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
    let offset = 0;
    for (const t of plan) {
      header[t.name] = { dtype: t.dtype, shape: t.shape, data_offsets: [offset, offset + t.bytes] };
      offset += t.bytes;
    }
    let text = JSON.stringify(header);
    const length = Math.ceil(new TextEncoder().encode(text).length / 8) * 8;
    while (new TextEncoder().encode(text).length < length) text += " ";
    const temporary = `${path}.part`;
    const file = Deno.openSync(temporary, { write: true, create: true, truncate: true });
    const head = new Uint8Array(8);
    new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
    writeAll(file, head);
    writeAll(file, new TextEncoder().encode(text));
    return new SafetensorsWriter(path, file, plan, temporary);
  }

  /** The next planned tensor's bytes. */
  write(name: string, bytes: ArrayBufferView): void {
    const next = this.plan[this.#at++];
    if (next?.name !== name || next.bytes !== bytes.byteLength) {
      throw new Error(
        `Cannot write ${name} (${bytes.byteLength} bytes): ${next?.name} (${next?.bytes} bytes) is next`,
      );
    }
    writeAll(this.file, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** Flushes to disk and gives the file its name. */
  finish(): void {
    if (this.#at !== this.plan.length) {
      throw new Error(`Cannot finish ${this.path}: ${this.plan[this.#at].name} is missing`);
    }
    this.file.syncSync();
    this.file.close();
    Deno.renameSync(this.#temporary, this.path);
  }
}

/** Deno may write short without an error. */
function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) at += file.writeSync(bytes.subarray(at));
}
