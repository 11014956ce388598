/**
 * `deno task test [--only PATH…] [--driver lavapipe|swiftshader|default] [-- flags of deno test]`
 * Set-up for tests, then the whole suite on the first driver and what touches the GPU once more on SwiftShader.
 * Closes with `N passed, N failed` alone on a line; a run that executes no test counts as failed.
 */

import { parseArgs } from "node:util";
import { basename, join, resolve } from "node:path";
import { driverTarget } from "./setup/facts.ts";
import { probe } from "./setup/probe.ts";
import { runtimeDir, setUp } from "./setup/setup.ts";
import { driverEnv, swiftshaderEnv } from "./setup/swiftshader.ts";
import { closingLine, type Counts, type Run, sum, TestOutput } from "./test_runs.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "..");
/** Folders whose tests open a GPU: run again on the second driver. */
const GPU_FOLDERS = ["tests/gpu", "tests/model", "tests/families", "tests/golden"];
const DRIVERS = ["lavapipe", "swiftshader", "default"] as const;
type DriverName = typeof DRIVERS[number];

/** Environment for a driver, or null where this machine lacks it. `default`: whatever the loader finds. */
function environment(driver: DriverName): Record<string, string> | null {
  if (driver === "default" || Deno.build.os !== "linux") return {};
  if (driver === "swiftshader") {
    const env = swiftshaderEnv(join(Deno.env.get("TMPDIR") || "/tmp", "valley-vulkan"));
    return env && { ...env };
  }
  const lavapipe = probe().drivers.find((d) =>
    d.present && driverTarget(d.library) === "software" && /lvp/.test(basename(d.library))
  );
  return lavapipe ? { ...driverEnv(lavapipe.file) } : null;
}

/** The runs to make: [driver, paths]. Without wishes: everything once, GPU tests again on SwiftShader. */
function plan(only: string[], driver: DriverName | null): Run[] {
  const all = only.length > 0 ? only : ["tests"];
  if (driver) return [{ driver, paths: all }];
  const first: DriverName = environment("lavapipe") ? "lavapipe" : "default";
  const gpu = only.length > 0
    ? only.filter((path) =>
      GPU_FOLDERS.some((folder) => resolve(PROJECT, path).startsWith(resolve(PROJECT, folder)))
    )
    : GPU_FOLDERS.filter(hasTests);
  const runs: Run[] = [{ driver: first, paths: all }];
  if (gpu.length > 0) runs.push({ driver: "swiftshader", paths: gpu });
  return runs;
}

function hasTests(folder: string): boolean {
  try {
    for (const entry of Deno.readDirSync(join(PROJECT, folder))) {
      if (entry.isDirectory ? hasTests(join(folder, entry.name)) : /_test\.ts$/.test(entry.name)) return true;
    }
  } catch {
    // No such folder (yet).
  }
  return false;
}

/** One `deno test`; its output is passed on as it comes. */
async function execute(run: Run, env: Record<string, string>, flags: string[]): Promise<Counts> {
  console.log(`\n== ${run.driver}: ${run.paths.join(" ")}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...flags, ...run.paths],
    cwd: PROJECT,
    env: { ...env, ...runtimeDir(), NO_COLOR: "1", VALLEY_TEST_DRIVER: run.driver },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = new TestOutput();
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    output.add(decoder.decode(chunk, { stream: true }));
  }
  return output.counts((await child.status).code);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { only: { type: "string", multiple: true }, driver: { type: "string" } },
    allowPositionals: true,
  });
  const driver = DRIVERS.find((name) => name === values.driver) ?? null;
  if (values.driver && !driver) {
    console.error(`Cannot test on "${values.driver}": --driver takes ${DRIVERS.join(", ")}`);
    Deno.exit(2);
  }
  const code = await setUp({ level: "test", fakeEngine: false });
  if (code !== 0) Deno.exit(code);
  const counts: Counts[] = [];
  for (const run of plan(values.only ?? [], driver)) {
    const env = environment(run.driver);
    if (env) counts.push(await execute(run, env, positionals));
    else if (driver) counts.push({ passed: 0, failed: 1, ignored: 0 });
    if (!env) console.log(`\n== ${run.driver}: not on this machine, its run was left out`);
  }
  const total = sum(counts);
  console.log(`\n${closingLine(total)}`);
  Deno.exit(total.failed > 0 ? 1 : 0);
}
