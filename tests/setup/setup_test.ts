import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { aptInstall, type AptResult } from "../../tools/setup/apt.ts";
import type { Facts } from "../../tools/setup/facts.ts";
import { EXIT_MISSING, setUp } from "../../tools/setup/setup.ts";
import { swiftshaderEnv } from "../../tools/setup/swiftshader.ts";
import { icdFiles, probe } from "../../tools/setup/probe.ts";
import { bareDebian, complete } from "./facts_support.ts";

const RUN = { level: "run", fakeEngine: false } as const;

/** A machine that shows `before`, and `after` once something was installed. */
function fakeTools(before: Facts, after: Facts, result: AptResult = { ok: true, tail: "" }) {
  const said: string[] = [];
  const installed: string[][] = [];
  return {
    said,
    installed,
    probe: () => installed.length > 0 ? after : before,
    install: (packages: string[]) => {
      installed.push(packages);
      return Promise.resolve(result);
    },
    say: (line: string) => void said.push(line),
  };
}

Deno.test("set-up is silent where nothing is missing", async () => {
  const tools = fakeTools(complete(), complete());
  equal(await setUp({ level: "test", fakeEngine: false }, tools), 0);
  same(tools.said, []);
  same(tools.installed, []);
});

Deno.test("set-up installs once, with one line for each need", async () => {
  const tools = fakeTools(bareDebian(), complete());
  equal(await setUp(RUN, tools), 0);
  same(tools.installed, [["libvulkan1", "mesa-vulkan-drivers", "ffmpeg"]]);
  equal(tools.said.filter((line) => line.startsWith("installing ")).length, 2);
  ok(tools.said[0].startsWith("installing libvulkan1, mesa-vulkan-drivers: WebGPU needs a Vulkan driver"));
});

Deno.test("without root a missing Vulkan driver ends with code 3 and the command", async () => {
  const tools = fakeTools(bareDebian({ isRoot: false }), complete());
  equal(await setUp(RUN, tools), EXIT_MISSING);
  same(tools.installed, []);
  ok(tools.said.some((line) => line.startsWith("run: sudo apt-get install")), tools.said.join("\n"));
});

Deno.test("without root a missing ffmpeg is a warning", async () => {
  const tools = fakeTools(complete({ isRoot: false, ffmpeg: false }), complete());
  equal(await setUp(RUN, tools), 0);
  ok(tools.said.some((line) => line.startsWith("optional, not found: ffmpeg")), tools.said.join("\n"));
});

Deno.test("a failed install shows apt's last lines, then tries need by need; code 3 if Vulkan is still missing", async () => {
  const failed = { ok: false, tail: "E: Unable to locate package" };
  const tools = fakeTools(bareDebian(), bareDebian(), failed);
  equal(await setUp(RUN, tools), EXIT_MISSING);
  ok(tools.said.some((line) => line.includes("Unable to locate package")));
  same(tools.installed.slice(1), [["libvulkan1", "mesa-vulkan-drivers"], ["ffmpeg"]]);
  ok(tools.said.some((line) => line.startsWith("still missing: vulkan")));
  const optional = fakeTools(complete({ ffmpeg: false }), complete({ ffmpeg: false }), failed);
  equal(await setUp(RUN, optional), 0);
});

Deno.test("an install that ends well but leaves the driver missing is told", async () => {
  const tools = fakeTools(bareDebian(), bareDebian({ vulkanLoader: true }));
  equal(await setUp(RUN, tools), EXIT_MISSING);
  ok(tools.said.some((line) => line.startsWith("still missing: vulkan")));
});

Deno.test("apt: lists are fetched only when missing or stale", async () => {
  const calls: string[] = [];
  const apt = (...results: boolean[]) => (args: string[]) => {
    calls.push(args[0]);
    return Promise.resolve({ ok: results.shift() ?? true, tail: args[0] });
  };
  ok((await aptInstall(["ffmpeg"], true, apt(true))).ok);
  same(calls.splice(0), ["install"]);
  ok((await aptInstall(["ffmpeg"], false, apt(true, true))).ok);
  same(calls.splice(0), ["update", "install"]);
  ok((await aptInstall(["ffmpeg"], true, apt(false, true, true))).ok);
  same(calls.splice(0), ["install", "update", "install"]);
  const failed = await aptInstall(["ffmpeg"], false, apt(false, false));
  same(failed, { ok: false, tail: "update\ninstall" });
});

Deno.test("this machine's facts: types and order of ICD files", () => {
  const facts = probe();
  equal(facts.os, Deno.build.os);
  for (const driver of facts.drivers) ok(driver.file.endsWith(".json") && driver.library.length > 0);
});

Deno.test("VK_DRIVER_FILES replaces the standard folders", () => {
  const before = Deno.env.get("VK_DRIVER_FILES");
  const folder = Deno.makeTempDirSync();
  try {
    const env = swiftshaderEnv(folder, "/nowhere/libvk_swiftshader.so");
    ok(env);
    Deno.env.set("VK_DRIVER_FILES", env.VK_DRIVER_FILES);
    same(icdFiles(), [env.VK_DRIVER_FILES]);
    same(probe().drivers, [{ file: env.VK_DRIVER_FILES, library: "libvk_swiftshader.so", present: false }]);
    equal(swiftshaderEnv(folder, null), null);
  } finally {
    if (before === undefined) Deno.env.delete("VK_DRIVER_FILES");
    else Deno.env.set("VK_DRIVER_FILES", before);
    Deno.removeSync(folder, { recursive: true });
  }
});
