/** manifest.json of a converted model: format, origin, and the sha256 of each file and each tensor. */

export interface Manifest {
  format: 1;
  source: string;
  revision: string;
  /** "prompted": a Think model, steered by the system prompt's effort. */
  reasoning: "prompted" | "none";
  files: Record<string, string>;
  tensors: Record<string, string>;
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Written last and renamed into place: a folder with a manifest is whole. */
export function writeManifest(folder: string, manifest: Manifest): void {
  const path = `${folder}/manifest.json`;
  Deno.writeTextFileSync(`${path}.part`, JSON.stringify(manifest, null, 1) + "\n");
  Deno.renameSync(`${path}.part`, path);
}
