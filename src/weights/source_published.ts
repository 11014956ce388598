/** A published checkpoint as a source: one or many files of bf16, f16 or f32, safetensors or PyTorch's own. */
import { createHash } from "node:crypto";
import { SafetensorsFile, type TensorInfo } from "../gpu/safetensors.ts";
import { stampOf } from "./file_piece.ts";
import { realDisk } from "./disk.ts";
import { becomesInt4, type Rule } from "./keep_rule.ts";
import { madeTokenizer } from "./made_tokenizer.ts";
import { isRounded } from "./rounding.ts";
import { isTorchShard, shardNames } from "./shard_index.ts";
import { TorchFile } from "./torch_file.ts";
import { rowsOfSlab, type SourceTensor, type WeightSource } from "./source.ts";

/** An open file of tensors. */
type TensorFile = Pick<SafetensorsFile, "path" | "tensors" | "offset" | "read" | "close">;

/**
 * @throws Error naming the file that is missing or damaged
 */
export function openPublishedSource(folder: string, rule: Rule = becomesInt4): WeightSource {
  const names = shardNames(folder);
  const files: TensorFile[] = [];
  try {
    for (const name of names) {
      files.push((isTorchShard(name) ? TorchFile : SafetensorsFile).open(`${folder}/${name}`));
    }
    const owner = new Map<string, string>();
    files.forEach((file, i) => {
      for (const name of file.tensors.keys()) {
        const other = owner.get(name);
        if (other !== undefined) {
          throw new Error(`Cannot convert ${folder}: tensor ${name} stands in ${other} and in ${names[i]}`);
        }
        owner.set(name, names[i]);
      }
    });
    const stamps = files.map(({ path }) => stampOf(path));
    return {
      files: files.map((file, i) => ({
        name: names[i].replace(/\.bin$/, ".safetensors"),
        tensors: [...file.tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)
          .map((t) => sourceTensor(file, t, rule, stamps[i])),
      })),
      ...fingerprints(names.map((name) => `${folder}/${name}`), files),
      folder,
      made: madeTokenizer(folder, realDisk),
      close: () => files.forEach((file) => file.close()),
    };
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** Digests of what the files' headers and sizes say, and of their times. */
export function fingerprints(
  paths: string[],
  files: readonly TensorFile[],
): { digest: string; stamp: string } {
  const content = createHash("sha256"), times = createHash("sha256");
  paths.forEach((path, i) => {
    const { size } = Deno.statSync(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    content.update(JSON.stringify([name, size, [...files[i].tensors.values()]]));
    times.update(JSON.stringify([name, stampOf(path)]));
  });
  const digest = content.digest("hex");
  return { digest, stamp: times.update(digest).digest("hex") };
}

function sourceTensor(file: TensorFile, t: TensorInfo, rule: Rule, stamp: string): SourceTensor {
  const bytes = t.end - t.begin;
  const rows = t.shape[0] ?? 1;
  const width = rows === 0 ? 0 : bytes / rows;
  const { dtype } = t;
  return {
    name: t.name,
    shape: t.shape,
    bytes,
    target: isRounded(dtype) && rule(t.name, t.shape) || dtype,
    slabRows: rowsOfSlab(width),
    slab(from, count) {
      if (!isRounded(dtype)) throw new Error(`Cannot round ${t.name} of ${dtype}`);
      const length = count * width, at = file.offset(t.name, from * width, length);
      return { kind: "plain", dtype, bytes: { path: file.path, at, length, stamp } };
    },
    raw: (from, count) => file.read(t.name, from * width, count * width),
  };
}
