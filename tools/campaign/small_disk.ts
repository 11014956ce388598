/** A file system of a size of one's own. Needs root and Linux. */

async function mount(args: string[], program = "mount"): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdout: "null", stderr: "piped" })
    .output()
    .catch((error) => ({ success: false, stderr: new TextEncoder().encode(String(error)) }));
  if (!success) {
    throw new Error(`Cannot mount a small file system here: ${new TextDecoder().decode(stderr).trim()}`);
  }
}

export interface SmallDisk {
  path: string;
  /** A larger size, bytes. */
  grow(bytes: number): Promise<void>;
}

/** `path` is made and holds `bytes` while `use` runs. Rejects when it cannot be mounted. */
export async function onSmallDisk<T>(
  path: string,
  bytes: number,
  use: (disk: SmallDisk) => Promise<T>,
): Promise<T> {
  const size = (bytes: number) => `size=${4096 * Math.max(1, Math.ceil(bytes / 4096))}`;
  Deno.mkdirSync(path, { recursive: true });
  await mount(["-t", "tmpfs", "-o", size(bytes), "tmpfs", path]);
  try {
    return await use({ path, grow: (bytes) => mount(["-o", `remount,${size(bytes)}`, path]) });
  } finally {
    await mount(["-l", path], "umount"); // with files open, too: `use` may have failed
  }
}

/** Bytes that a folder takes on such a disk. */
export function bytesOn(folder: string): number {
  let sum = 4096;
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    sum += isDirectory ? bytesOn(path) : 4096 * Math.ceil(Deno.statSync(path).size / 4096);
  }
  return sum;
}
