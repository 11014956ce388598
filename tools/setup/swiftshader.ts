/** SwiftShader, Chromium's software Vulkan, as a second driver for the tests. */

import { join } from "node:path";
import { probe } from "./probe.ts";

/** Environment that makes the Vulkan loader see this driver alone. */
export interface DriverEnv {
  VK_DRIVER_FILES: string;
  VK_ICD_FILENAMES: string;
}

/**
 * Writes an ICD file that names the library by its full path (the one beside Chromium names it relatively and is
 * not shipped everywhere). @returns the environment for a child process, or null where no SwiftShader was found.
 */
export function swiftshaderEnv(
  folder: string,
  library: string | null = probe().swiftshader,
): DriverEnv | null {
  if (library === null) return null;
  Deno.mkdirSync(folder, { recursive: true });
  const file = join(folder, "valley-swiftshader-icd.json");
  const icd = { file_format_version: "1.0.0", ICD: { library_path: library, api_version: "1.1.0" } };
  Deno.writeTextFileSync(file, JSON.stringify(icd) + "\n");
  return driverEnv(file);
}

/** Environment for one ICD file; older loaders read VK_ICD_FILENAMES only. */
export function driverEnv(file: string): DriverEnv {
  return { VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file };
}

if (import.meta.main) {
  const env = swiftshaderEnv(Deno.args[0] ?? join(Deno.env.get("TMPDIR") || "/tmp", "valley-vulkan"));
  if (env === null) {
    console.error("Cannot find libvk_swiftshader.so: install Debian's chromium package");
    Deno.exit(1);
  }
  for (const [name, value] of Object.entries(env)) console.log(`export ${name}=${value}`);
}
