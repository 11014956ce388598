/** `deno task bench <name> [--json FILE] [--profile threads|workgroups|textures]`: prints a table and, with --json, writes it. */
import { parseArgs } from "node:util";
import { openGpu } from "../src/gpu/device.ts";
import { type ProfileName, PROFILES, Runtime } from "../src/gpu/runtime.ts";
import { measureProfile } from "../src/gpu/profile.ts";
import { runtimeDir, setUp } from "../tools/setup/setup.ts";
import { benchKernels } from "./kernels.ts";
import { measureRoof, printRoof } from "./roof.ts";

const BENCHES: Record<string, (runtime: Runtime) => Promise<object>> = {
  roof: async (runtime) => {
    const roof = await measureRoof(runtime);
    printRoof(roof);
    return roof;
  },
  kernels: benchKernels,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: "string" }, profile: { type: "string" } },
    allowPositionals: true,
  });
  const bench = Object.hasOwn(BENCHES, positionals[0] ?? "") ? BENCHES[positionals[0]] : null;
  const profile = values.profile as ProfileName | undefined;
  if (
    !bench || positionals.length > 1 || (profile !== undefined && !Object.hasOwn(PROFILES, profile))
  ) {
    console.error(
      `usage: deno task bench ${
        Object.keys(BENCHES).join("|")
      } [--json FILE] [--profile threads|workgroups|textures]`,
    );
    return 2;
  }
  const code = await setUp({ level: "run", fakeEngine: false });
  if (code !== 0) return code;
  for (const [key, value] of Object.entries(runtimeDir())) Deno.env.set(key, value);
  if (Deno.build.os === "linux" && !Deno.env.get("DENO_WEBGPU_BACKEND")) {
    Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  }
  const runtime = new Runtime(await openGpu());
  runtime.profile = profile ? PROFILES[profile] : await measureProfile(runtime);
  const result = await bench(runtime);
  await runtime.checkShaders();
  if (values.json) {
    const head = {
      bench: positionals[0],
      adapter: runtime.gpu.name,
      date: new Date().toISOString(),
      profile: runtime.profile,
    };
    Deno.writeTextFileSync(values.json, JSON.stringify({ ...head, ...result }, null, 1) + "\n");
  }
  runtime.destroy();
  return 0;
}

if (import.meta.main) Deno.exit(await main());
