/** Media in a folder that the operator allows: plain files in it, by `file:` URL or by path, and nothing it links out to. */

import { isAbsolute, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { invalid } from "./errors.ts";
import type { MediaPlace } from "./media_place.ts";
import { tooLarge } from "./remote_media.ts";

/** The file's bytes. Throws ApiError; nothing in it tells whether a file outside the folder exists. */
export async function localMedia(
  address: string,
  place: MediaPlace,
  folder: string | null,
  most: number,
): Promise<Uint8Array> {
  const { param } = place;
  if (folder === null) {
    const message = `${param}: files of the server are not served; send a data: URL`;
    throw invalid(message, param, "local_media_disabled");
  }
  const root = await Deno.realPath(folder);
  const path = await realPathIn(root, address);
  if (path === null) {
    throw invalid(`${param}: there is no such file in the allowed folder`, param, "local_media_not_found");
  }
  const { size } = await Deno.stat(path);
  if (size > most) throw tooLarge(place, most);
  return await Deno.readFile(path);
}

/** The plain file that an address names, links resolved; null: there is none within `root`. */
async function realPathIn(root: string, address: string): Promise<string | null> {
  try {
    const named = /^\s*file:/i.test(address) ? fileURLToPath(address.trim()) : address;
    if (named.includes("\0")) return null;
    const path = await Deno.realPath(isAbsolute(named) ? named : join(root, named));
    return path.startsWith(root + sep) && (await Deno.stat(path)).isFile ? path : null;
  } catch {
    return null;
  }
}
