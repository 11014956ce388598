/** A device's measured choices, kept in a file from start to start: the same device with the same kernels decides once. */
import { crc32 } from "node:zlib";
import { matmul, matmulTiled, matvec, matvecSplit, matvecTexture } from "./kernels.ts";
import { measureProfile } from "./profile.ts";
import { type Profile, PROFILES } from "./profiles.ts";
import type { Runtime } from "./runtime.ts";

/** What a choice depends on: the adapter as it names itself, what it can do, and the kernels that are compared. */
export function profileKey(runtime: Runtime): string {
  const { name, has, limits } = runtime.gpu;
  const kernels = [matvec, matvecSplit, matvecTexture, matmul, matmulTiled].map((k) => k.wgsl).join();
  const digest = crc32(JSON.stringify([has, limits, kernels])).toString(16).padStart(8, "0");
  return `${name} ${digest}`;
}

/** The choice that `file` has for this device, else a measured one, which is added to the file. A file that cannot be read counts as empty. */
export async function keptProfile(runtime: Runtime, file: string): Promise<Profile> {
  const key = profileKey(runtime);
  const kept = read(file);
  const found = kept[key];
  if (isProfile(found)) return found;
  const measured = await measureProfile(runtime);
  const text = JSON.stringify({ ...kept, [key]: measured }, null, 1) + "\n";
  Deno.mkdirSync(file.slice(0, file.lastIndexOf("/") + 1) || ".", { recursive: true });
  Deno.writeTextFileSync(`${file}.part`, text);
  Deno.renameSync(`${file}.part`, file);
  return measured;
}

function read(file: string): Record<string, unknown> {
  try {
    const value = JSON.parse(Deno.readTextFileSync(file));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/** Every choice is one that some tested combination has. */
function isProfile(value: unknown): value is Profile {
  if (typeof value !== "object" || value === null) return false;
  const given = value as Record<string, unknown>;
  const keys = Object.keys(PROFILES.threads) as (keyof Profile)[];
  return Object.keys(given).length === keys.length &&
    keys.every((key) => Object.values(PROFILES).some((p) => p[key] === given[key]));
}
