/** `--model ORG/NAME`: pulled and converted where it is not there yet, each step going on where it was cut off. */
import { convert } from "../weights/convert.ts";
import { isHubId } from "../weights/hub_repo.ts";
import { knownModel } from "../weights/known_models.ts";
import { bytesText, Progress } from "../weights/progress.ts";
import { pull, pulledEarlier } from "../weights/pull.ts";
import type { Terminal } from "./convert.ts";
import { hubOptions, isOffline } from "./hub_options.ts";
import { convertedEarlier, convertedFolder, type Env, modelsRoot } from "./models_folder.ts";
import { UsageError } from "./options.ts";

/**
 * The folder to serve: `model` itself if it is one, else the converted model of that hub name.
 * @throws Error saying what stands in the way and what to do
 */
export async function obtainModel(model: string, env: Env, terminal: Terminal): Promise<string> {
  if (isFolder(model)) return model;
  const [asked, revision = "main"] = model.split("@");
  if (!isHubId(asked)) {
    throw new UsageError(
      `Cannot serve ${model}: it is neither a folder nor a hub name (organisation/name, organisation/name@revision)`,
    );
  }
  const id = knownModel(asked)?.id ?? asked;
  const root = modelsRoot(env);
  const there = convertedEarlier(root, id, revision);
  if (there !== null) return there;
  const { folder, commit } = isOffline(env)
    ? earlier(root, id, revision)
    : await withProgress("pulling", terminal, (onProgress) =>
      pull(root, id, { hub: hubOptions(env), revision, onProgress }));
  const target = convertedFolder(root, id, commit);
  Deno.mkdirSync(target, { recursive: true });
  await withProgress("converting", terminal, (onProgress) =>
    convert(folder, target, {
      source: id,
      revision: commit,
      reasoning: knownModel(id)?.reasoning ?? "none",
      onProgress,
    }));
  return target;
}

function earlier(root: string, id: string, revision: string): { folder: string; commit: string } {
  const found = pulledEarlier(root, id, revision);
  if (found !== null) return found;
  throw new Error(`Cannot serve ${id} offline: it was not pulled whole into ${root}; pull it while online`);
}

/** Runs a long job under a progress line. */
export async function withProgress<T>(
  verb: string,
  terminal: Terminal,
  run: (onProgress: (done: number, total: number, detail: string) => void) => Promise<T>,
): Promise<T> {
  let progress: Progress | null = null;
  let bytes = 0;
  const result = await run((done, total, detail) => {
    progress ??= new Progress({ verb, total, write: terminal.write, terminal: terminal.isTerminal });
    progress.update(done, detail);
    bytes = total;
  });
  (progress as Progress | null)?.finish(`${verb} done: ${bytesText(bytes)}`);
  return result;
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
