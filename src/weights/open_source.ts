/** What a path holds: a GGUF file, or a folder of a published checkpoint. */
import type { WeightSource } from "./source.ts";
import { openGgufSource } from "./source_gguf.ts";
import { openSafetensorsSource } from "./source_safetensors.ts";

/** @throws Error naming what is missing, damaged or not supported */
export function openSource(path: string): WeightSource {
  if (isFile(path)) {
    if (path.toLowerCase().endsWith(".gguf")) return openGgufSource(path);
    throw new Error(`Cannot convert ${path}: it is neither a .gguf file nor a folder`);
  }
  return openSafetensorsSource(path);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
