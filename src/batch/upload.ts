/** A file on its way into the store: until it is whole it lies beside the others, under a name of its own. */
import { onDisk, untilOnDisk } from "../common/disk_full.ts";

/** Behind the name of a file that is not whole. */
export const PARTIAL = ".part";

/** Disposed of before it was kept, it leaves nothing. */
export class Upload implements Disposable {
  readonly #partial: string;
  #file: Deno.FsFile | null = null;
  #bytes = 0;

  /** @param path of the whole file; nothing is written yet */
  constructor(readonly id: string, readonly path: string) {
    this.#partial = path + PARTIAL;
  }

  get bytes(): number {
    return this.#bytes;
  }

  #open(): Deno.FsFile {
    return this.#file ??= Deno.openSync(this.#partial, { write: true, createNew: true });
  }

  /** One at a time. @throws DiskFullError */
  async write(bytes: Uint8Array): Promise<void> {
    await untilOnDisk(this.path, async () => {
      const file = this.#open();
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    });
    this.#bytes += bytes.length;
  }

  /** Gives it its name. @throws DiskFullError */
  keep(): void {
    onDisk(this.path, () => {
      this.#open();
      this.#close();
      Deno.renameSync(this.#partial, this.path);
    });
  }

  #close(): void {
    this.#file?.close();
    this.#file = null;
  }

  [Symbol.dispose](): void {
    this.#close();
    removeFile(this.#partial);
  }
}

export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch { /* it was not there */ }
}
