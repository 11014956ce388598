/** Set-up: looks, installs what it may, and says the rest. Says nothing where all is there. */

import { aptInstall, haveAptLists } from "./apt.ts";
import type { Facts } from "./facts.ts";
import { leftOver, makePlan, type Plan, type Wishes } from "./plan.ts";
import { probe } from "./probe.ts";

/** Exit code: something required is missing and could not be installed here; the command was printed. */
export const EXIT_MISSING = 3;

/** What set-up does to the world. Replaced in tests. */
export interface SetupTools {
  probe(): Facts;
  install(packages: string[]): Promise<{ ok: boolean; tail: string }>;
  say(line: string): void;
}

const REAL: SetupTools = {
  probe,
  install: (packages) => aptInstall(packages, haveAptLists()),
  say: (line) => console.error(`set-up: ${line}`),
};

/** Returns 0, or EXIT_MISSING when serving (or testing) cannot work on this machine yet. */
export async function setUp(wishes: Wishes, tools: SetupTools = REAL): Promise<number> {
  const plan = makePlan(tools.probe(), wishes);
  if (plan.missing.length === 0) return 0;
  plan.notes.forEach(tools.say);
  await installAll(plan, tools);
  const left = leftOver(plan);
  for (const item of left) {
    tools.say(`${item.required ? "missing" : "optional, not found"}: ${item.need} (${item.why})`);
  }
  if (plan.command) tools.say(`run: ${plan.command}`);
  if (left.some((item) => item.required)) return EXIT_MISSING;
  return plan.apt.length > 0 ? checkAgain(wishes, tools) : 0;
}

/** All at once, which is fastest; where that fails, need by need, so that one bad package stops only itself. */
async function installAll(plan: Plan, tools: SetupTools): Promise<void> {
  for (const { packages, why } of plan.apt) tools.say(`installing ${packages.join(", ")}: ${why}`);
  if (plan.apt.length === 0 || await install(plan.apt.flatMap((need) => need.packages), tools)) return;
  if (plan.apt.length === 1) return;
  for (const { packages } of plan.apt) await install(packages, tools);
}

async function install(packages: string[], tools: SetupTools): Promise<boolean> {
  const started = Date.now();
  const { ok, tail } = await tools.install(packages);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  tools.say(
    ok
      ? `installed in ${seconds} s`
      : `apt-get install ${packages.join(" ")} failed after ${seconds} s:\n${tail}`,
  );
  return ok;
}

/** apt may fail, or succeed and the thing still not be there (a stripped image): say so now. */
function checkAgain(wishes: Wishes, tools: SetupTools): number {
  const still = makePlan(tools.probe(), wishes).missing.filter((item) => item.required);
  for (const item of still) tools.say(`still missing: ${item.need} (${item.why})`);
  return still.length > 0 ? EXIT_MISSING : 0;
}

/** Vulkan writes an error to stderr when XDG_RUNTIME_DIR is unset; a private folder quiets it. */
export function runtimeDir(): Record<string, string> {
  if (Deno.build.os !== "linux" || Deno.env.get("XDG_RUNTIME_DIR")) return {};
  const folder = `${Deno.env.get("TMPDIR") || "/tmp"}/valley-runtime-${Deno.uid()}`;
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = Deno.lstatSync(folder);
  // Another user may have made it first: then leave the message be.
  if (!info.isDirectory || info.uid !== Deno.uid()) return {};
  return { XDG_RUNTIME_DIR: folder };
}

if (import.meta.main) {
  const level = Deno.args[0] === "test" ? "test" : "run";
  Deno.exit(await setUp({ level, fakeEngine: false }));
}
