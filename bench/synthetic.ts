/** Writes a folder as `valley convert` would (int4, manifest), with arbitrary values in a model's true shapes. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { planOf } from "../src/weights/convert_file.ts";
import { realDisk } from "../src/weights/disk.ts";
import { writeAll } from "../src/weights/disk_file.ts";
import { becomesInt4 } from "../src/weights/keep_rule.ts";
import { FORMAT, type Manifest, writeManifest } from "../src/weights/manifest.ts";
import { type PlannedTensor, safetensorsHeader } from "../src/weights/safetensors_writer.ts";
import type { ModelShape, TensorShape } from "./shapes/shape.ts";

const PIECE = 16 << 20;
const FILE = "model.safetensors";

/** Codes: every nibble value. Scales and minima: a spread about 0 like that of trained weights (float16 pairs). */
const CODES = new Uint32Array(PIECE / 4).map((_, i) => Math.imul(i + 1, 2654435761) >>> 0);
const SCALES = new Uint32Array(PIECE / 4).fill(0xa0001800); // scale 0.00195, minimum −0.0078
const bfloat = (value: number): Uint16Array<ArrayBuffer> =>
  new Uint16Array(PIECE / 2).fill(new Uint32Array(new Float32Array([value]).buffer)[0] >>> 16);
const ONES = bfloat(1), SMALL = bfloat(0.01);

const contentOf = ({ name }: PlannedTensor): Uint8Array => {
  const data = name.endsWith(".int4")
    ? CODES
    : name.endsWith(".scale_min")
    ? SCALES
    : /norm|ln/.test(name) && name.endsWith("weight")
    ? ONES
    : SMALL;
  return new Uint8Array(data.buffer);
};

const planned = ({ name, shape }: TensorShape): PlannedTensor[] =>
  planOf({
    name,
    shape,
    bytes: 2 * shape.reduce((a, b) => a * b, 1),
    target: becomesInt4(name, shape) ? "int4" : "BF16",
  });

/** Makes the folder unless it is there; tells its bytes. */
export function writeSynthetic(folder: string, { config, tensors }: ModelShape): number {
  const plan = tensors.flatMap(planned);
  const header = safetensorsHeader(plan);
  const size = header.length + plan.reduce((sum, t) => sum + t.bytes, 0);
  try {
    Deno.statSync(`${folder}/manifest.json`);
    if (Deno.statSync(`${folder}/${FILE}`).size === size) return size;
  } catch { /* to be made */ }
  Deno.mkdirSync(folder, { recursive: true });
  const manifest: Manifest = {
    format: FORMAT,
    source: "synthetic",
    revision: "",
    reasoning: "none",
    recipe: "synthetic",
    stamp: "",
    sizes: { [FILE]: size },
    headers: { [FILE]: createHash("sha256").update(header).digest("hex") },
    files: {},
    tensors: {},
    crc32: {},
  };
  const file = realDisk.open(`${folder}/${FILE}`, "create");
  const whole = createHash("sha256").update(header);
  writeAll(file, header);
  for (const t of plan) {
    const digest = createHash("sha256");
    let crc = 0;
    for (let at = 0; at < t.bytes; at += PIECE) {
      const bytes = contentOf(t).subarray(0, Math.min(PIECE, t.bytes - at));
      writeAll(file, bytes);
      digest.update(bytes);
      whole.update(bytes);
      crc = crc32(bytes, crc);
    }
    manifest.tensors[t.name] = digest.digest("hex");
    manifest.crc32[t.name] = crc.toString(16).padStart(8, "0");
  }
  file.close();
  manifest.files[FILE] = whole.digest("hex");
  Deno.writeTextFileSync(`${folder}/config.json`, JSON.stringify(config, null, 1) + "\n");
  writeManifest(folder, manifest);
  return size;
}
