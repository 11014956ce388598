/** Which safetensors files make up a checkpoint folder. */

/**
 * With `model.safetensors.index.json`: the files it names, all of which must be there; else every *.safetensors.
 * @returns names, sorted
 * @throws Error naming the file that is missing, malformed or of an unsafe kind
 */
export function shardNames(folder: string): string[] {
  const names = listed(folder);
  const found = names.filter((name) => name.endsWith(".safetensors")).sort();
  const index = names.filter((name) => name.endsWith(".safetensors.index.json")).sort()[0];
  if (index === undefined) {
    if (found.length > 0) return found;
    const unsafe = names.find((name) => /\.(bin|pt|pth|pkl|ckpt)$/.test(name));
    throw new Error(
      `Cannot convert ${folder}: it holds no .safetensors file` +
        (unsafe ? `; ${unsafe} is a pickle, which can run code and is not read` : ""),
    );
  }
  const map = weightMap(`${folder}/${index}`);
  const wanted = [...new Set(Object.values(map))].sort();
  for (const name of wanted) {
    if (!/^[\w.-]+\.safetensors$/.test(name)) {
      throw new Error(`Cannot convert ${folder}: ${index} names ${JSON.stringify(name)}`);
    }
    if (!found.includes(name)) {
      throw new Error(
        `Cannot convert ${folder}: ${name} is missing, ${index} names it; pull the model again`,
      );
    }
  }
  if (wanted.length === 0) throw new Error(`Cannot convert ${folder}: ${index} names no file`);
  return wanted;
}

function listed(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].filter((entry) => !entry.isDirectory).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new Error(`Cannot convert ${folder}: there is no such folder`);
    }
    throw error;
  }
}

function weightMap(path: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(Deno.readTextFileSync(path));
  } catch {
    throw new Error(`Cannot convert: ${path} is not JSON`);
  }
  const map = (value as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== "object" || map === null || !Object.values(map).every((v) => typeof v === "string")) {
    throw new Error(`Cannot convert: ${path} has no weight_map of names`);
  }
  return map as Record<string, string>;
}
