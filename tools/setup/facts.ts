/**
 * What set-up knows about a machine. `plan.ts` decides from these facts alone, so its tests need no machine.
 */

export type Os = "linux" | "darwin" | "windows" | "other";

/** A Vulkan driver as its ICD file announces it. */
export interface Driver {
  /** The ICD file. */
  file: string;
  /** Base name of the library that it names: `libvulkan_lvp.so`. */
  library: string;
  /** Whether that library is on this machine. */
  present: boolean;
}

/** Makers of graphics hardware that a Vulkan driver can be matched with. */
export type Gpu = "nvidia" | "amd" | "intel" | "wsl" | "other";

export interface Facts {
  os: Os;
  /** `ID` and `ID_LIKE` of /etc/os-release, first the distribution itself; empty elsewhere. */
  distro: string[];
  isRoot: boolean;
  hasApt: boolean;
  /** libvulkan.so.1 was found. */
  vulkanLoader: boolean;
  drivers: Driver[];
  /** Graphics hardware that the kernel shows as usable (a render node, an NVIDIA device). */
  gpus: Gpu[];
  /** Programs found on the PATH. */
  ffmpeg: boolean;
  ffprobe: boolean;
  chromium: boolean;
  espeak: boolean;
  /** libvk_swiftshader.so (Chromium carries it), or null. */
  swiftshader: string | null;
}

/** What a driver drives: a GPU's maker, or "software". */
export function driverTarget(library: string): Gpu | "software" {
  const name = library.toLowerCase();
  if (/lvp|lavapipe|swiftshader/.test(name)) return "software";
  if (/nvidia/.test(name)) return "nvidia";
  if (/radeon|amdvlk/.test(name)) return "amd";
  if (/intel/.test(name)) return "intel";
  if (/dzn/.test(name)) return "wsl";
  return "other";
}

/** The driver's library is here and so is what it drives. */
export function isUsable(driver: Driver, gpus: Gpu[]): boolean {
  if (!driver.present) return false;
  const target = driverTarget(driver.library);
  if (target === "software") return true;
  // Drivers of other makers (asahi, freedreno, nouveau, virtio …) drive any render node that has no driver of its own.
  if (target === "other") return gpus.includes("other") || gpus.includes("nvidia");
  return gpus.includes(target);
}

/** A driver of real hardware that is here. */
export function isHardware(driver: Driver, gpus: Gpu[]): boolean {
  return driverTarget(driver.library) !== "software" && isUsable(driver, gpus);
}
