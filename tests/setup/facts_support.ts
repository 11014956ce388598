/** Machines that set-up may meet, as facts. */

import type { Driver, Facts } from "../../tools/setup/facts.ts";

export function driver(library: string, present = true): Driver {
  return { file: `/usr/share/vulkan/icd.d/${library}.json`, library, present };
}

/** What mesa-vulkan-drivers installs. */
export const MESA = ["libvulkan_intel.so", "libvulkan_lvp.so", "libvulkan_radeon.so"].map((name) =>
  driver(name)
);

/** A bare Debian as root: Node and nothing else. */
export function bareDebian(changes: Partial<Facts> = {}): Facts {
  return {
    os: "linux",
    distro: ["debian"],
    isRoot: true,
    hasApt: true,
    vulkanLoader: false,
    drivers: [],
    gpus: [],
    ffmpeg: false,
    ffprobe: false,
    chromium: false,
    espeak: false,
    swiftshader: null,
    ...changes,
  };
}

/** Everything is there, on the CPU. */
export function complete(changes: Partial<Facts> = {}): Facts {
  return bareDebian({
    vulkanLoader: true,
    drivers: MESA,
    ffmpeg: true,
    ffprobe: true,
    chromium: true,
    espeak: true,
    swiftshader: "/usr/lib/chromium/libvk_swiftshader.so",
    ...changes,
  });
}
