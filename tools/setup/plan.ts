/** Facts → what to install or to say. Pure: the same facts always give the same plan. */

import { type Facts, isHardware, isUsable } from "./facts.ts";

/** `run`: what serving needs. `test`: also what the tests need. */
export type Level = "run" | "test";

export type Need = "vulkan" | "ffmpeg" | "chromium" | "espeak";

/** Something that is missing here. */
export interface Missing {
  need: Need;
  /** What is missing and what it is for, as a half sentence. */
  why: string;
  /** Nothing works without it; otherwise set-up warns and goes on. */
  required: boolean;
}

export interface Plan {
  missing: Missing[];
  /** What apt installs now (only as root on Debian or Ubuntu), with the reason. */
  apt: { need: Need; packages: string[]; why: string }[];
  /** The command that a person can run for what `apt` does not cover; null: nothing to run. */
  command: string | null;
  /** Plain remarks that change nothing. */
  notes: string[];
}

export interface Wishes {
  level: Level;
  /** `--engine fake`: no GPU is needed. */
  fakeEngine: boolean;
}

/** Debian's package for each need. The loader comes with the driver; naming it keeps a kept driver without loader right. */
const DEBIAN: Record<Need, string[]> = {
  vulkan: ["libvulkan1", "mesa-vulkan-drivers"],
  ffmpeg: ["ffmpeg"],
  chromium: ["chromium"],
  espeak: ["espeak-ng"],
};

/** How other systems install things: command and package names. `null`: not to be had that way. */
const OTHERS: { ids: string[]; command: string; packages: Record<Need, string[]> }[] = [
  { ids: ["debian", "ubuntu"], command: "sudo apt-get install -y --no-install-recommends", packages: DEBIAN },
  {
    ids: ["fedora", "rhel", "centos"],
    command: "sudo dnf install -y",
    packages: {
      vulkan: ["vulkan-loader", "mesa-vulkan-drivers"],
      ffmpeg: ["ffmpeg-free"],
      chromium: ["chromium"],
      espeak: ["espeak-ng"],
    },
  },
  {
    ids: ["arch"],
    command: "sudo pacman -S --needed",
    packages: {
      vulkan: ["vulkan-icd-loader", "vulkan-swrast"],
      ffmpeg: ["ffmpeg"],
      chromium: ["chromium"],
      espeak: ["espeak-ng"],
    },
  },
  {
    ids: ["opensuse", "suse", "opensuse-tumbleweed", "opensuse-leap"],
    command: "sudo zypper install -y",
    packages: {
      vulkan: ["libvulkan1", "libvulkan_lvp"],
      ffmpeg: ["ffmpeg"],
      chromium: ["chromium"],
      espeak: ["espeak-ng"],
    },
  },
];
const MAC: Record<Need, string[]> = { vulkan: [], ffmpeg: ["ffmpeg"], chromium: [], espeak: ["espeak-ng"] };
const WINDOWS: Record<Need, string[]> = {
  vulkan: [],
  ffmpeg: ["Gyan.FFmpeg"],
  chromium: [],
  espeak: ["eSpeak-NG.eSpeak-NG"],
};

export function makePlan(facts: Facts, wishes: Wishes): Plan {
  const missing = findMissing(facts, wishes);
  const notes = findNotes(facts, missing);
  const canApt = facts.os === "linux" && facts.isRoot && facts.hasApt && isDebianLike(facts);
  const apt: Plan["apt"] = [];
  const left: Need[] = [];
  for (const { need, why } of missing) {
    const packages = aptPackages(facts, need);
    if (canApt && packages.length > 0) apt.push({ need, packages, why });
    else left.push(need);
  }
  return { missing, apt, command: left.length > 0 ? commandFor(facts, left) : null, notes };
}

/** What is missing and cannot be installed from here. */
export function leftOver(plan: Plan): Missing[] {
  return plan.missing.filter((item) => !plan.apt.some((install) => install.need === item.need));
}

function findMissing(facts: Facts, { level, fakeEngine }: Wishes): Missing[] {
  const missing: Missing[] = [];
  const gpuNeeded = level === "test" || !fakeEngine;
  // macOS has Metal and Windows DX12: nothing to install for WebGPU there.
  if (facts.os === "linux" && gpuNeeded) {
    const usable = facts.drivers.some((driver) => isUsable(driver, facts.gpus));
    const why = !usable
      ? "WebGPU needs a Vulkan driver and there is none; Mesa's also runs on the CPU"
      : "WebGPU needs the Vulkan loader (libvulkan.so.1)";
    if (!usable || !facts.vulkanLoader) missing.push({ need: "vulkan", why, required: true });
  }
  if (!facts.ffmpeg || !facts.ffprobe) {
    missing.push({
      need: "ffmpeg",
      why: "reads video files; text, pictures and sound work without it",
      required: false,
    });
  }
  if (level === "test" && (!facts.chromium || (facts.os === "linux" && facts.swiftshader === null))) {
    const why = "tests open the chat page in it and use its SwiftShader as a second Vulkan driver";
    missing.push({ need: "chromium", why, required: false });
  }
  if (level === "test" && !facts.espeak) {
    missing.push({ need: "espeak", why: "tests make spoken questions with it", required: false });
  }
  return missing;
}

function findNotes(facts: Facts, missing: Missing[]): string[] {
  const notes: string[] = [];
  if (facts.os !== "linux" || !missing.some((item) => item.need === "vulkan")) return notes;
  if (facts.gpus.includes("nvidia") && !facts.drivers.some((d) => isHardware(d, facts.gpus))) {
    notes.push(
      "an NVIDIA card is here but its Vulkan driver is not: install NVIDIA's driver with its ICD file " +
        "(in a container: NVIDIA_DRIVER_CAPABILITIES=all) to use the card",
    );
  }
  return notes;
}

/** Packages that apt should install. A loader alone where a driver of real hardware is already here. */
function aptPackages(facts: Facts, need: Need): string[] {
  if (need === "vulkan" && facts.drivers.some((driver) => isUsable(driver, facts.gpus))) {
    return ["libvulkan1"];
  }
  // Ubuntu's chromium package only installs a snap, which does not work in containers or as root.
  if (need === "chromium" && facts.distro[0] === "ubuntu") return [];
  return DEBIAN[need];
}

function commandFor(facts: Facts, needs: Need[]): string | null {
  const join = (command: string, packages: string[]) =>
    packages.length > 0 ? `${command} ${packages.join(" ")}` : null;
  if (facts.os === "darwin") return join("brew install", needs.flatMap((need) => MAC[need]));
  if (facts.os === "windows") return join("winget install", needs.flatMap((need) => WINDOWS[need]));
  if (isDebianLike(facts)) {
    const command = OTHERS[0].command;
    const packages = needs.flatMap((need) => aptPackages(facts, need));
    return join(facts.isRoot ? command.replace("sudo ", "") : command, packages);
  }
  const system = OTHERS.find(({ ids }) => facts.distro.some((id) => ids.includes(id)));
  if (system) return join(system.command, needs.flatMap((need) => system.packages[need]));
  return `install with your system's package manager: ${needs.map((need) => NAMES[need]).join(", ")}`;
}

const NAMES: Record<Need, string> = {
  vulkan: "the Vulkan loader and a Vulkan driver (your GPU's, or Mesa's lavapipe)",
  ffmpeg: "ffmpeg and ffprobe",
  chromium: "Chromium",
  espeak: "espeak-ng",
};

function isDebianLike(facts: Facts): boolean {
  return facts.distro.includes("debian") || facts.distro.includes("ubuntu");
}
