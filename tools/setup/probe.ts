/** Reads the facts off this machine: files and folders only, no program is run, so it takes milliseconds. */

import { basename, delimiter, dirname, isAbsolute, join } from "node:path";
import type { Driver, Facts, Gpu, Os } from "./facts.ts";

const LIBRARY_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  "/lib64",
  "/lib",
  "/usr/local/lib",
  "/usr/local/lib64",
  "/run/opengl-driver/lib",
];
/** Where Debian's chromium-common, Google Chrome and others put SwiftShader. */
const SWIFTSHADER_FOLDERS = [
  "/usr/lib/chromium",
  "/usr/lib/chromium-browser",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
  "/usr/lib/swiftshader",
];

/** @throws Deno.errors.NotCapable without read and env permission. */
export function probe(): Facts {
  const os: Os = Deno.build.os === "linux" || Deno.build.os === "darwin" || Deno.build.os === "windows"
    ? Deno.build.os
    : "other";
  const libraries = [...env("LD_LIBRARY_PATH").split(":").filter(Boolean), ...LIBRARY_FOLDERS];
  const inLibraries = (name: string) => libraries.some((folder) => exists(join(folder, name)));
  return {
    os,
    distro: os === "linux" ? distro() : [],
    isRoot: os !== "windows" && Deno.uid() === 0,
    hasApt: os === "linux" && onPath("apt-get"),
    vulkanLoader: os === "linux" && inLibraries("libvulkan.so.1"),
    drivers: os === "linux"
      ? icdFiles().map((file) => readDriver(file, inLibraries)).filter((d) => d !== null)
      : [],
    gpus: os === "linux" ? gpus() : [],
    ffmpeg: onPath("ffmpeg"),
    ffprobe: onPath("ffprobe"),
    chromium: chromiumPath() !== null,
    espeak: onPath("espeak-ng"),
    swiftshader: SWIFTSHADER_FOLDERS.map((f) => join(f, "libvk_swiftshader.so")).find(exists) ?? null,
  };
}

/** The Chromium that tests drive, or null. `CHROME_BIN` comes first. */
export function chromiumPath(): string | null {
  const named = env("CHROME_BIN");
  if (named && exists(named)) return named;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    const found = which(name);
    if (found) return found;
  }
  return null;
}

/** Full path of a program on the PATH, or null. */
export function which(name: string): string | null {
  const endings = Deno.build.os === "windows" ? [".exe", ".cmd", ""] : [""];
  for (const folder of env("PATH").split(delimiter)) {
    for (const ending of endings) {
      const path = join(folder || ".", name + ending);
      if (exists(path)) return path;
    }
  }
  return null;
}

/** ICD files in the order in which the Vulkan loader looks; VK_DRIVER_FILES replaces the standard folders. */
export function icdFiles(): string[] {
  const forced = env("VK_DRIVER_FILES") || env("VK_ICD_FILENAMES");
  if (forced) return forced.split(":").filter(Boolean).flatMap(jsonFiles);
  const home = env("HOME") || "/root";
  const bases = [
    env("XDG_CONFIG_HOME") || join(home, ".config"),
    ...(env("XDG_CONFIG_DIRS") || "/etc/xdg").split(":"),
    "/etc",
    env("XDG_DATA_HOME") || join(home, ".local/share"),
    ...(env("XDG_DATA_DIRS") || "/usr/local/share:/usr/share").split(":"),
  ];
  const added = env("VK_ADD_DRIVER_FILES").split(":").filter(Boolean);
  return [...added, ...[...new Set(bases)].map((base) => join(base, "vulkan/icd.d"))].flatMap(jsonFiles);
}

/** A file itself, or the .json files of a folder. */
function jsonFiles(path: string): string[] {
  try {
    if (!Deno.statSync(path).isDirectory) return [path];
    return [...Deno.readDirSync(path)].map((e) => e.name).filter((n) => n.endsWith(".json")).sort()
      .map((name) => join(path, name));
  } catch {
    return [];
  }
}

/** null: the file is not an ICD file. */
function readDriver(file: string, inLibraries: (name: string) => boolean): Driver | null {
  try {
    const path: unknown = JSON.parse(Deno.readTextFileSync(file)).ICD.library_path;
    if (typeof path !== "string") return null;
    const present = isAbsolute(path)
      ? exists(path)
      : path.includes("/")
      ? exists(join(dirname(file), path))
      : inLibraries(path);
    return { file, library: basename(path), present };
  } catch {
    return null;
  }
}

/** Hardware that a process here could open: NVIDIA's device files, render nodes by PCI vendor, WSL's /dev/dxg. */
function gpus(): Gpu[] {
  const found = new Set<Gpu>();
  if (exists("/dev/nvidia0")) found.add("nvidia");
  if (exists("/dev/dxg")) found.add("wsl");
  if (exists("/dev/kgsl-3d0")) found.add("other");
  for (const name of names("/dev/dri").filter((n) => n.startsWith("renderD"))) {
    const vendor = text(`/sys/class/drm/${name}/device/vendor`).trim();
    found.add(
      vendor === "0x10de" ? "nvidia" : vendor === "0x1002" ? "amd" : vendor === "0x8086" ? "intel" : "other",
    );
  }
  return [...found];
}

function distro(): string[] {
  const release = text("/etc/os-release") || text("/usr/lib/os-release");
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1] ?? "";
  return `${field("ID")} ${field("ID_LIKE")}`.split(/\s+/).filter(Boolean);
}

function onPath(name: string): boolean {
  return which(name) !== null;
}

function env(name: string): string {
  return Deno.env.get(name) ?? "";
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((e) => e.name);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
