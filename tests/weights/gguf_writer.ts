/** Writes small GGUF files (version 3) for tests. */
import { GGUF_TYPES, type GgufType } from "../../src/weights/gguf.ts";

export interface GgufPart {
  name: string;
  type: GgufType;
  /** Row-major. */
  shape: number[];
  data: Uint8Array<ArrayBuffer>;
}

/** A whole number is written as u32, any other as f32; `f32` holds one that is f32 though it be whole. */
type Value = string | number | string[] | number[] | { f32: number };

export function writeGguf(path: string, metadata: Record<string, Value>, parts: GgufPart[]): void {
  const out: number[] = [];
  const u32 = (n: number) => out.push(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24);
  const u64 = (n: number) => (u32(n % 2 ** 32), u32(Math.floor(n / 2 ** 32)));
  const text = (s: string) => {
    const bytes = new TextEncoder().encode(s);
    u64(bytes.length);
    out.push(...bytes);
  };
  const float = (value: number) => out.push(...new Uint8Array(Float32Array.of(value).buffer));
  const scalar = (value: string | number, typed: boolean) => {
    const type = typeof value === "string" ? 8 : Number.isInteger(value) ? 4 : 6;
    if (typed) u32(type);
    if (type === 8) text(value as string);
    else if (type === 4) u32(value as number);
    else float(value as number);
  };
  out.push(...new TextEncoder().encode("GGUF"));
  u32(3);
  u64(parts.length);
  u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    text(key);
    if (!Array.isArray(value)) {
      if (typeof value === "object") u32(6), float(value.f32);
      else scalar(value, true);
      continue;
    }
    u32(9);
    u32(typeof value[0] === "string" ? 8 : 4);
    u64(value.length);
    for (const item of value) scalar(item, false);
  }
  let offset = 0;
  for (const { name, type, shape, data } of parts) {
    text(name);
    u32(shape.length);
    for (const n of [...shape].reverse()) u64(n);
    u32(GGUF_TYPES[type].id);
    u64(offset);
    offset += Math.ceil(data.length / 32) * 32;
  }
  while (out.length % 32) out.push(0);
  const all = new Uint8Array(out.length + offset);
  all.set(out);
  let at = out.length;
  for (const { data } of parts) {
    all.set(data, at);
    at += Math.ceil(data.length / 32) * 32;
  }
  Deno.writeFileSync(path, all);
}
