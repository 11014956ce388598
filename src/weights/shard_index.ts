/** Which files make up a checkpoint folder: safetensors, or where there are none, state dicts of PyTorch. */

/** Files of tensors, by name. */
const KINDS = [
  { shard: /^[\w.-]+\.safetensors$/, index: /\.safetensors\.index\.json$/ },
  { shard: /^pytorch_model[\w.-]*\.bin$/, index: /^pytorch_model[\w.-]*\.bin\.index\.json$/ },
];

/** Whether a file may hold weights of a published checkpoint, or tells which files do; `torch`: state dicts too. */
export const isWeightFile = (name: string, torch: boolean): boolean =>
  KINDS.slice(0, torch ? 2 : 1).some(({ shard, index }) => shard.test(name) || index.test(name));

export const isTorchShard = (name: string): boolean => KINDS[1].shard.test(name);

/**
 * With an index (`model.safetensors.index.json`, `pytorch_model.bin.index.json`): the files it names, all of which must
 * be there; else every file of the kind. State dicts count only where there is no safetensors file.
 * @returns names, sorted
 * @throws Error naming the file that is missing, malformed or of a kind that is not read
 */
export function shardNames(folder: string): string[] {
  const names = listed(folder);
  const kind = KINDS.find(({ shard, index }) => names.some((name) => shard.test(name) || index.test(name)));
  if (kind === undefined) {
    const other = names.find((name) => /\.(bin|pt|pth|pkl|ckpt)$/.test(name));
    throw new Error(
      `Cannot convert ${folder}: it holds no .safetensors file and no pytorch_model.bin` +
        (other ? `; ${other} is not read` : ""),
    );
  }
  const found = names.filter((name) => kind.shard.test(name)).sort();
  const index = names.filter((name) => kind.index.test(name)).sort()[0];
  if (index === undefined) return found;
  const map = weightMap(`${folder}/${index}`);
  const wanted = [...new Set(Object.values(map))].sort();
  for (const name of wanted) {
    if (!kind.shard.test(name)) {
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
