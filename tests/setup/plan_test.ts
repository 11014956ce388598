import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { leftOver, makePlan } from "../../tools/setup/plan.ts";
import { bareDebian, complete, driver, MESA } from "./facts_support.ts";

const RUN = { level: "run", fakeEngine: false } as const;
const TEST = { level: "test", fakeEngine: false } as const;
const packages = (plan: ReturnType<typeof makePlan>) => plan.apt.flatMap((install) => install.packages);

Deno.test("a complete machine needs nothing at either level", () => {
  for (const wishes of [RUN, TEST]) {
    same(makePlan(complete(), wishes), { missing: [], apt: [], command: null, notes: [] });
  }
});

Deno.test("bare Debian as root: apt installs all that the level needs", () => {
  same(packages(makePlan(bareDebian(), RUN)), ["libvulkan1", "mesa-vulkan-drivers", "ffmpeg"]);
  const all = ["libvulkan1", "mesa-vulkan-drivers", "ffmpeg", "chromium", "espeak-ng"];
  const plan = makePlan(bareDebian(), TEST);
  same(packages(plan), all);
  same(leftOver(plan), []);
  equal(plan.command, null);
});

Deno.test("bare Debian without root: nothing is installed, the exact command is given, Vulkan is required", () => {
  const plan = makePlan(bareDebian({ isRoot: false }), RUN);
  same(plan.apt, []);
  equal(
    plan.command,
    "sudo apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers ffmpeg",
  );
  same(leftOver(plan).map((item) => [item.need, item.required]), [["vulkan", true], ["ffmpeg", false]]);
});

Deno.test("the fake engine needs no Vulkan, the tests do", () => {
  same(makePlan(bareDebian(), { level: "run", fakeEngine: true }).missing.map((m) => m.need), ["ffmpeg"]);
  ok(makePlan(bareDebian(), { level: "test", fakeEngine: true }).missing.some((m) => m.need === "vulkan"));
});

Deno.test("drivers for hardware that is not here do not count", () => {
  const drivers = [driver("libvulkan_radeon.so"), driver("libvulkan_intel.so"), driver("libGLX_nvidia.so.0")];
  const plan = makePlan(complete({ drivers }), RUN);
  same(packages(plan), ["libvulkan1", "mesa-vulkan-drivers"]);
});

Deno.test("an ICD file whose library is gone does not count", () => {
  const plan = makePlan(complete({ drivers: [driver("libvulkan_lvp.so", false)] }), RUN);
  same(packages(plan), ["libvulkan1", "mesa-vulkan-drivers"]);
});

Deno.test("with a real GPU's driver no software driver is installed", () => {
  const cards = [
    ["nvidia", "libGLX_nvidia.so.0"],
    ["amd", "libvulkan_radeon.so"],
    ["amd", "amdvlk64.so"],
    ["intel", "libvulkan_intel_hasvk.so"],
    ["other", "libvulkan_asahi.so"],
    ["wsl", "libvulkan_dzn.so"],
  ] as const;
  for (const [gpu, library] of cards) {
    const facts = complete({ gpus: [gpu], drivers: [driver(library)] });
    same(makePlan(facts, RUN).missing, [], library);
    const noLoader = makePlan({ ...facts, vulkanLoader: false }, RUN);
    same(packages(noLoader), ["libvulkan1"], `${library}: only the loader`);
  }
});

Deno.test("an NVIDIA card without its Vulkan driver: a software driver, and a note that says so", () => {
  const plan = makePlan(bareDebian({ gpus: ["nvidia"] }), RUN);
  same(packages(plan), ["libvulkan1", "mesa-vulkan-drivers", "ffmpeg"]);
  equal(plan.notes.length, 1);
  ok(plan.notes[0].includes("NVIDIA"));
});

Deno.test("Ubuntu: chromium is a snap, so apt leaves it out and nothing required is missing", () => {
  const plan = makePlan(bareDebian({ distro: ["ubuntu", "debian"] }), TEST);
  same(packages(plan), ["libvulkan1", "mesa-vulkan-drivers", "ffmpeg", "espeak-ng"]);
  same(leftOver(plan).map((item) => [item.need, item.required]), [["chromium", false]]);
});

Deno.test("derivatives of Debian use apt, others get their own command", () => {
  same(packages(makePlan(bareDebian({ distro: ["linuxmint", "ubuntu", "debian"] }), RUN)).length, 3);
  const command = (distro: string[]) => makePlan(bareDebian({ distro, hasApt: false }), RUN).command;
  equal(command(["fedora"]), "sudo dnf install -y vulkan-loader mesa-vulkan-drivers ffmpeg-free");
  equal(command(["manjaro", "arch"]), "sudo pacman -S --needed vulkan-icd-loader vulkan-swrast ffmpeg");
  equal(
    command(["opensuse-leap", "suse", "opensuse"]),
    "sudo zypper install -y libvulkan1 libvulkan_lvp ffmpeg",
  );
  ok(command(["nixos"])?.startsWith("install with your system's package manager: the Vulkan loader"));
});

Deno.test("macOS and Windows need no Vulkan; ffmpeg is optional there too", () => {
  const mac = makePlan(bareDebian({ os: "darwin", distro: [], isRoot: false, hasApt: false }), RUN);
  same(leftOver(mac).map((item) => [item.need, item.required]), [["ffmpeg", false]]);
  equal(mac.command, "brew install ffmpeg");
  const windows = makePlan(bareDebian({ os: "windows", distro: [], isRoot: false, hasApt: false }), RUN);
  equal(windows.command, "winget install Gyan.FFmpeg");
});

Deno.test("ffprobe alone missing asks for ffmpeg", () => {
  same(packages(makePlan(complete({ ffprobe: false }), RUN)), ["ffmpeg"]);
});

Deno.test("a Chromium without SwiftShader beside it asks for Debian's", () => {
  same(packages(makePlan(complete({ swiftshader: null }), TEST)), ["chromium"]);
  same(makePlan(complete({ swiftshader: null, drivers: MESA }), RUN).missing, []);
});
