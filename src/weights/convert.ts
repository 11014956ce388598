/**
 * A published checkpoint (safetensors, bf16/f16/f32) → a folder that is served: int4 where it does no harm, the rest as
 * it was; configuration and tokenizer files copied; manifest with the digest of every file and tensor.
 */
import { SafetensorsFile, type TensorInfo, toFloat32 } from "../gpu/safetensors.ts";
import { type Manifest, sha256, writeManifest } from "./manifest.ts";
import { GROUP, quantiseNearest } from "./quantise.ts";
import { type PlannedTensor, SafetensorsWriter } from "./safetensors_writer.ts";

/**
 * Kept as published: learned positions, convolutions (more than two dimensions; conv_out's columns are reordered at
 * load), vectors. Measured on the demo model: the rest costs nothing measurable (weights/README.md).
 */
const KEPT = /pos_embed|position_embedding|conv_out|\.bias$/;

const COPIED = [
  "config.json",
  "generation_config.json",
  "preprocessor_config.json",
  "video_preprocessor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "chat_template.json",
  "LICENSE",
];

export interface ConvertOptions {
  /** Where the source came from, for the manifest. */
  source?: string;
  revision?: string;
  /** "prompted": takes the thinking prompt (CONTRACT.md). */
  reasoning?: "prompted" | "none";
  onProgress?: (done: number, total: number, tensor: string) => void;
}

export const isQuantised = (t: TensorInfo): boolean =>
  t.shape.length === 2 && ["BF16", "F16", "F32"].includes(t.dtype) && !KEPT.test(t.name);

/** @throws Error naming the file or tensor that stands in the way; the target's manifest is written last. */
export async function convert(
  source: string,
  target: string,
  options: ConvertOptions = {},
): Promise<Manifest> {
  const names = [...Deno.readDirSync(source)].map((e) => e.name).filter((n) => n.endsWith(".safetensors"))
    .sort();
  if (!names.length) throw new Error(`Cannot convert ${source}: it holds no .safetensors file`);
  Deno.mkdirSync(target, { recursive: true });
  const manifest: Manifest = {
    format: 1,
    source: options.source ?? "",
    revision: options.revision ?? "",
    reasoning: options.reasoning ?? "none",
    files: {},
    tensors: {},
  };
  const sources = names.map((n) => SafetensorsFile.open(`${source}/${n}`));
  const total = sources.reduce(
    (sum, f) => sum + [...f.tensors.values()].reduce((a, t) => a + t.end - t.begin, 0),
    0,
  );
  let done = 0;
  for (let i = 0; i < sources.length; i++) {
    const file = sources[i];
    const tensors = [...file.tensors.values()].sort((a, b) => a.begin - b.begin);
    const writer = SafetensorsWriter.create(`${target}/${names[i]}`, tensors.flatMap(plan));
    for (const t of tensors) {
      for (const [name, bytes] of converted(file, t)) {
        writer.write(name, bytes);
        manifest.tensors[name] = await sha256(bytes);
      }
      done += t.end - t.begin;
      options.onProgress?.(done, total, t.name);
    }
    writer.finish();
    file.close();
    manifest.files[names[i]] = await sha256(Deno.readFileSync(`${target}/${names[i]}`));
  }
  for (const name of COPIED) {
    try {
      const bytes = Deno.readFileSync(`${source}/${name}`);
      Deno.writeFileSync(`${target}/${name}`, bytes);
      manifest.files[name] = await sha256(bytes);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  writeManifest(target, manifest);
  return manifest;
}

function plan(t: TensorInfo): PlannedTensor[] {
  if (!isQuantised(t)) return [{ name: t.name, dtype: t.dtype, shape: t.shape, bytes: t.end - t.begin }];
  const [n, k] = t.shape;
  const groups = Math.ceil(k / GROUP);
  return [
    { name: `${t.name}.int4`, dtype: "U32", shape: [n, groups * 4], bytes: n * groups * 16 },
    { name: `${t.name}.scale_min`, dtype: "F16", shape: [n, groups, 2], bytes: n * groups * 4 },
  ];
}

function* converted(file: SafetensorsFile, t: TensorInfo): Generator<[string, Uint8Array<ArrayBuffer>]> {
  if (!isQuantised(t)) {
    yield [t.name, file.read(t.name)];
    return;
  }
  const [n, k] = t.shape;
  const q = quantiseNearest(toFloat32(file.read(t.name), t.dtype), n, k);
  yield [`${t.name}.int4`, new Uint8Array(q.words.buffer)];
  yield [`${t.name}.scale_min`, new Uint8Array(q.scales.buffer)];
}
