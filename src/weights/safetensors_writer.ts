/** Writes a safetensors file tensor by tensor; atomic: the final name appears only when all is on disk. */
import type { Dtype } from "../gpu/safetensors.ts";
import { realDisk } from "./disk.ts";
import { type DiskFile, writeAll } from "./disk_file.ts";

export interface PlannedTensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  bytes: number;
}

/** Length and JSON header, padded to 8 bytes, for tensors that follow in this order. */
export function safetensorsHeader(
  plan: readonly PlannedTensor[],
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: "pt", ...metadata } };
  let offset = 0;
  for (const t of plan) {
    header[t.name] = { dtype: t.dtype, shape: t.shape, data_offsets: [offset, offset + t.bytes] };
    offset += t.bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 8) * 8;
  const all = new Uint8Array(8 + length).fill(32);
  new DataView(all.buffer).setBigUint64(0, BigInt(length), true);
  all.set(text, 8);
  return all;
}

/** Streams tensors in the planned order into `path`. */
export class SafetensorsWriter {
  #at = 0;
  readonly #temporary: string;

  private constructor(
    readonly path: string,
    private readonly file: DiskFile,
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
    const temporary = `${path}.part`;
    const file = realDisk.open(temporary, "create");
    writeAll(file, safetensorsHeader(plan, metadata));
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
    this.file.sync();
    this.file.close();
    realDisk.rename(this.#temporary, this.path);
  }
}
