/**
 * The references that all contenders quantise, as GGUF: SmolLM2-135M's Q4_1 file dequantised, plus seeded uniform noise
 * of half a quantisation step on every weight. Without the noise the weights lie on a lattice that groups of 32 with
 * scale and minimum reproduce exactly, and a comparison would say nothing.
 */
import { SafetensorsWriter } from "../src/weights/safetensors_writer.ts";
import { GGUF_TYPES, GgufFile, type GgufTensor } from "../src/weights/gguf.ts";
import { floatsOfBlocks } from "../src/weights/gguf_values.ts";
import { HALVES } from "../src/weights/half.ts";
import { openGgufSource, PARTS } from "../src/weights/source_gguf.ts";
import { random } from "../tools/random.ts";

/** Writes `to` as GGUF with every tensor in F32. */
export function writeReference(from: string, to: string, seed: number): void {
  const file = GgufFile.open(from);
  try {
    const next = random(seed);
    writeGguf(file, to, "F32", [...file.tensors.values()], (tensor) => {
      return new Uint8Array(noisy(file, tensor, next).buffer);
    });
  } finally {
    file.close();
  }
}

/** A GGUF file with the metadata of `like` and these tensors, all of one type without blocks, one after another. */
export function writeGguf<T extends Pick<GgufTensor, "name" | "shape">>(
  like: GgufFile,
  to: string,
  type: "F32" | "BF16",
  tensors: T[],
  bytesOf: (tensor: T) => Uint8Array,
): void {
  const out = Deno.openSync(to, { write: true, create: true, truncate: true });
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) at += out.writeSync(bytes.subarray(at));
  };
  try {
    const head = Deno.readFileSync(like.path).subarray(0, like.metadataEnd);
    new DataView(head.buffer).setBigUint64(8, BigInt(tensors.length), true);
    const infos: number[] = [];
    const number = (value: number, bytes: number) => {
      for (let i = 0; i < bytes; i++) infos.push(Math.floor(value / 2 ** (8 * i)) % 256);
    };
    let offset = 0;
    for (const { name, shape } of tensors) {
      const text = new TextEncoder().encode(name);
      number(text.length, 8);
      infos.push(...text);
      number(shape.length, 4);
      for (const n of [...shape].reverse()) number(n, 8);
      number(GGUF_TYPES[type].id, 4);
      number(offset, 8);
      offset += Math.ceil(GGUF_TYPES[type].bytes * shape.reduce((a, b) => a * b, 1) / 32) * 32;
    }
    write(head);
    write(Uint8Array.from(infos));
    write(new Uint8Array((32 - (head.length + infos.length) % 32) % 32));
    for (const tensor of tensors) {
      const bytes = bytesOf(tensor);
      write(bytes);
      write(new Uint8Array((32 - bytes.length % 32) % 32));
    }
  } finally {
    out.close();
  }
}

function noisy(file: GgufFile, tensor: GgufTensor, next: () => number): Float32Array<ArrayBuffer> {
  const bytes = file.read(tensor, 0, tensor.bytes);
  const values = floatsOfBlocks(tensor.type, bytes);
  const block = GGUF_TYPES[tensor.type];
  if (block.values !== 32) return values;
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    const step = Math.abs(HALVES[view.getUint16(Math.floor(i / 32) * block.bytes, true)]);
    values[i] += (next() - 0.5) * step;
  }
  return values;
}

/** A GGUF file as a folder of F32 tensors, so that the same code computes every contender; KEPT from another. */
export function expandGguf(path: string, folder: string, keptFrom: string | null): void {
  Deno.mkdirSync(folder, { recursive: true });
  const source = openGgufSource(path);
  const other = keptFrom === null ? null : openGgufSource(keptFrom);
  try {
    const [{ tensors }] = source.files;
    const plan = tensors.map(({ name, shape }) => ({
      name,
      dtype: "F32" as const,
      shape,
      bytes: 4 * shape.reduce((a, b) => a * b, 1),
    }));
    const writer = SafetensorsWriter.create(`${folder}/model.safetensors`, plan);
    for (const tensor of tensors) {
      const kept = other?.files[0].tensors.find(({ name }) => name === tensor.name && KEPT.test(name));
      writer.write(tensor.name, (kept ?? tensor).raw(0, tensor.shape[0]));
    }
    writer.finish();
    for (const [name, text] of Object.entries(source.made)) Deno.writeTextFileSync(`${folder}/${name}`, text);
  } finally {
    source.close();
    other?.close();
  }
}

/** What stays as in the reference for every contender: embedding and head. */
export const KEPT = /embed_tokens|lm_head/;

/** The official name of a layer's matrix → ggml's. */
export function ggufName(name: string): string {
  const [, layer, part] = /layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const found = Object.keys(PARTS).find((key) => PARTS[key] === part);
  if (found === undefined) throw new Error(`Cannot name ${name} as ggml does`);
  return `blk.${layer}.${found}.weight`;
}

/** Bits a weight of a GGUF file's matrices, embedding and head left out. */
export function bitsOfGguf(path: string): number {
  const file = GgufFile.open(path);
  let bytes = 0, values = 0;
  for (const t of file.tensors.values()) {
    if (t.shape.length !== 2 || ["token_embd.weight", "output.weight"].includes(t.name)) continue;
    bytes += t.bytes;
    values += t.shape[0] * t.shape[1];
  }
  file.close();
  return 8 * bytes / values;
}
