/**
 * A published checkpoint → a folder that is served: int4 where it does no harm, the rest as it was; configuration and
 * tokenizer files copied; manifest with the digest of every file and tensor.
 *
 * All is written in TARGET/.converting and renamed into TARGET at the very end, the manifest last: whenever it is cut
 * off, TARGET holds the old model, or none, or the new one. A second run goes on behind the last finished tensor.
 */
import { diskFull } from "../common/disk_full.ts";
import { Conversion } from "./conversion.ts";
import { outputBytes } from "./convert_file.ts";
import type { ConvertOptions } from "./convert_job.ts";
import { realDisk } from "./disk.ts";
import { ruleFor } from "./keep_rule.ts";
import type { Manifest } from "./manifest.ts";
import { chooseInt8, INT4_BITS } from "./mixed.ts";
import { openSource, weightBytes } from "./open_source.ts";
import { SlabPool } from "./slab_pool.ts";
import { SLAB, type WeightSource } from "./source.ts";

/** Under so many bytes Workers cost more than they bring. */
const SMALL = 32 << 20;

/** @throws Error naming the file or tensor that stands in the way, or the bytes that the disk lacks */
export async function convert(
  source: string,
  target: string,
  options: ConvertOptions = {},
): Promise<Manifest> {
  const pool = new SlabPool(options.workers ?? coresFor(weightBytes(source)));
  // Workers take a while to start: before the source is opened, unless the target may prove to be done already.
  if ((options.disk ?? realDisk).size(`${target}/manifest.json`) === null) pool.start();
  let weights: WeightSource | null = null;
  try {
    weights = openSource(source, ruleFor(options.keep ?? null, finer(source, options)), options.base);
    return await new Conversion(source, target, weights, options, pool).run();
  } catch (error) {
    if (weights === null || !diskFull(error)) throw error;
    const bytes = outputBytes(weights.files);
    throw new Error(
      `Cannot convert into ${target}: the disk is full; the whole model needs ${bytes} bytes. ` +
        `Make room and run the same command again: it goes on where it stopped`,
    );
  } finally {
    pool.close();
    weights?.close();
  }
}

/** No more than there are slabs. */
const coresFor = (bytes: number): number =>
  bytes < SMALL ? 0 : Math.min(navigator.hardwareConcurrency, Math.ceil(bytes / SLAB));

/** Matrices that `bits` makes int8. */
function finer(source: string, { keep, bits = INT4_BITS, base }: ConvertOptions): Set<string> {
  if (bits === INT4_BITS) return new Set();
  const weights = openSource(source, ruleFor(keep ?? null, new Set()), base);
  try {
    const all = weights.files.flatMap((file) => file.tensors);
    if (all.some(({ fixed }) => fixed)) {
      throw new Error(
        `Cannot convert ${source} to ${bits} bits: its weights are codes of 4 or 8 bits already`,
      );
    }
    return chooseInt8(all.filter(({ target }) => target === "int4"), bits);
  } finally {
    weights.close();
  }
}
