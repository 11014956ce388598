/** A disk whose k-th operation fails, or from which on every operation fails as if the process had been killed. */
import { type Disk, realDisk } from "../../src/weights/disk.ts";
import type { DiskFile } from "../../src/weights/disk_file.ts";

export class Killed extends Error {}

export interface Fault {
  /** Number of the operation that goes wrong, from 0. */
  at: number;
  /** "kill": this and all further ones throw, a write gets half its bytes to disk; "full": writes fail with ENOSPC. */
  kind: "kill" | "full";
}

/** Counts operations that change the disk. */
export class FaultyDisk implements Disk {
  operations = 0;

  constructor(private readonly fault: Fault) {}

  /** Throws where it is due. @param half does a part of the work first */
  #step(write: boolean, half: () => void = () => {}): void {
    const { at, kind } = this.fault;
    const now = this.operations++;
    if (kind === "kill" && now >= at) {
      if (now === at) half();
      throw new Killed(`killed at operation ${at}`);
    }
    if (kind === "full" && write && now >= at) {
      half();
      throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    }
  }

  open(path: string, mode: "read" | "create" | "update"): DiskFile {
    if (mode !== "read") this.#step(false);
    const file = realDisk.open(path, mode);
    return {
      ...file,
      write: (bytes) => {
        this.#step(true, () => file.write(bytes.subarray(0, bytes.length >> 1)));
        // Short writes, as Deno may do them.
        return file.write(bytes.length > 1000 ? bytes.subarray(0, 1000) : bytes);
      },
      truncate: (size) => {
        this.#step(false);
        file.truncate(size);
      },
      sync: () => {
        this.#step(false);
        file.sync();
      },
    };
  }

  rename(from: string, to: string): void {
    this.#step(false);
    realDisk.rename(from, to);
  }

  remove(path: string): void {
    this.#step(false);
    realDisk.remove(path);
  }

  mkdir(path: string): void {
    this.#step(false);
    realDisk.mkdir(path);
  }

  list = realDisk.list;
  size = realDisk.size;
  free = () => null;
}
