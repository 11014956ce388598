/** Sets of kernels: what suits CPU drivers and cards. profile.ts measures which. */

/** Choices that depend on the device and are made by measurement (profile.ts). */
export interface Profile {
  /** Where weights, keys and values lie: storage buffers, or textures (with x in uniform windows). */
  memory: "buffer" | "texture";
  /** With textures: read as sampled ones, or as storage textures. */
  texels: "sampled" | "storage";
  /** With buffers, one row: a thread has whole rows of weights, or K is split over a workgroup. */
  matvec: "rows" | "split";
  /** With buffers, many rows: tiles in registers, or in workgroup memory. */
  matmul: "rows" | "tiled";
  /** With buffers, many rows: each row for itself, or keys and values in workgroup memory for 16 of them. */
  attention: "rows" | "tiled";
}

/** The combinations that are tested; measurement picks among their parts. */
export const PROFILES = {
  threads: { memory: "buffer", texels: "sampled", matvec: "rows", matmul: "rows", attention: "rows" },
  workgroups: { memory: "buffer", texels: "sampled", matvec: "split", matmul: "tiled", attention: "tiled" },
  textures: { memory: "texture", texels: "sampled", matvec: "rows", matmul: "rows", attention: "rows" },
  images: { memory: "texture", texels: "storage", matvec: "rows", matmul: "rows", attention: "rows" },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
