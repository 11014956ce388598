/** `--model ORG/NAME`: pulled and converted where it is not there yet, each step going on where it was cut off. */
import { convert } from "../weights/convert.ts";
import { isHubId } from "../weights/hub_repo.ts";
import { knownModel } from "../weights/known_models.ts";
import { bytesText } from "../weights/progress.ts";
import { pull, type Pulled, pulledEarlier, type PullOptions } from "../weights/pull.ts";
import { type Terminal, withProgress } from "./command.ts";
import { hubOptions, isOffline } from "./hub_options.ts";
import { convertedEarlier, convertedFolder, modelsRoot } from "./models_folder.ts";
import { type Env, UsageError } from "./options.ts";

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
  const base = knownModel(id)?.base;
  if (base !== undefined) {
    throw new Error(
      `Cannot serve ${id} as it is: it is published as the difference to ${base}, which has to come from you.\n` +
        `First: valley pull ${asked}\nThen:  valley convert PULLED_FOLDER TARGET --base FOLDER_OF_${
          base.toUpperCase().replaceAll(" ", "_")
        }\nThen:  valley serve --model TARGET`,
    );
  }
  const { folder, commit, content } = isOffline(env)
    ? earlier(root, id, revision)
    : await pullWithProgress(root, id, terminal, { hub: hubOptions(env), revision });
  const target = convertedFolder(root, id, commit);
  Deno.mkdirSync(target, { recursive: true });
  const reasoning = knownModel(id)?.reasoning ?? "none";
  await withProgress(
    { verb: "converting" },
    terminal,
    (onProgress) => convert(folder, target, { source: id, revision: commit, content, reasoning, onProgress }),
    doneText("converting"),
  );
  return target;
}

function earlier(root: string, id: string, revision: string): Pulled {
  const found = pulledEarlier(root, id, revision);
  if (found !== null) return found;
  throw new Error(`Cannot serve ${id} offline: it was not pulled whole into ${root}; pull it while online`);
}

export const pullWithProgress = (
  root: string,
  id: string,
  terminal: Terminal,
  options: PullOptions,
): Promise<Pulled> =>
  withProgress(
    { verb: "pulling" },
    terminal,
    (onProgress) => pull(root, id, { ...options, onProgress }),
    doneText("pulling"),
  );

const doneText = (verb: string) => (_: unknown, bytes: number): string | null =>
  bytes === 0 ? null : `${verb} done: ${bytesText(bytes)}`;

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
