/** Where convert puts a model: what is there already, the small files beside the weights, and the last renames. */
import { createHash } from "node:crypto";
import { COPIED, MOST_COPIED } from "./copied_files.ts";
import { type Disk, readWhole, writeWhole } from "./disk.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import type { WeightSource } from "./source.ts";

/** Everything that is not finished lies here, in the target folder. */
export const WORK = ".converting";

/** The manifest of an earlier run that came to its end with the same job, if all its files are still there. */
export function finishedEarlier(
  disk: Disk,
  target: string,
  wanted: Pick<Manifest, "recipe" | "stamp">,
): Manifest | null {
  let manifest: Manifest | null;
  try {
    manifest = readManifest(target, disk);
  } catch {
    return null; // it will be replaced
  }
  if (manifest?.recipe !== wanted.recipe || manifest.stamp !== wanted.stamp) return null;
  const whole = Object.entries(manifest.sizes).every(([name, size]) =>
    disk.size(`${target}/${name}`) === size
  );
  if (!whole) return null;
  disk.remove(`${target}/${WORK}`); // what a kill at the very end left behind
  return manifest;
}

/** Configuration, tokenizer and the like, by name: what the source makes, else what lies in its folder. */
export function* smallFiles(
  { folder, made }: WeightSource,
  disk: Disk,
): Generator<[name: string, bytes: Uint8Array]> {
  for (const name of COPIED) {
    const bytes = made[name] !== undefined
      ? new TextEncoder().encode(made[name])
      : folder === null
      ? null
      : readWhole(disk, `${folder}/${name}`, MOST_COPIED);
    if (bytes !== null) yield [name, bytes];
  }
}

/** Writes them into `work` and enters them. */
export function copySmallFiles(source: WeightSource, disk: Disk, work: string, manifest: Manifest): void {
  for (const [name, bytes] of smallFiles(source, disk)) {
    writeWhole(disk, `${work}/${name}`, bytes);
    manifest.files[name] = createHash("sha256").update(bytes).digest("hex");
    manifest.sizes[name] = bytes.length;
  }
}

/** Moves a whole model from `target`/WORK into place: only renames; cut off in the middle, the next run does the rest. */
export function commit(disk: Disk, target: string, manifest: Manifest): void {
  const work = `${target}/${WORK}`;
  disk.remove(`${target}/manifest.json`);
  for (const name of disk.list(target)) {
    if (name.endsWith(".safetensors") && !(name in manifest.files)) disk.remove(`${target}/${name}`);
  }
  for (const name of Object.keys(manifest.files)) {
    if (disk.size(`${work}/${name}`) !== null) disk.rename(`${work}/${name}`, `${target}/${name}`);
  }
  disk.rename(`${work}/manifest.json`, `${target}/manifest.json`);
  disk.remove(work);
}
