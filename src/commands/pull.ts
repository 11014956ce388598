/** `pull`: a published model from a hub into the models' folder. */
import { isHubId } from "../weights/hub_repo.ts";
import { KNOWN_MODELS, knownModel } from "../weights/known_models.ts";
import { pulledEarlier } from "../weights/pull.ts";
import { parseCommand, type Terminal } from "./command.ts";
import { hubOptions, isOffline, PUBLIC_HUB } from "./hub_options.ts";
import { modelsRoot } from "./models_folder.ts";
import { pullWithProgress } from "./obtain_model.ts";
import { type Env, UsageError } from "./options.ts";

export const PULL_USAGE =
  `valley pull ORG/NAME [--revision R] [--to FOLDER] [--mirror URL,…] [--parallel N] [--force] [--offline]

Fetches a published model (safetensors, config, tokenizer) from a Hugging Face-style hub. Every file's digest is
checked. Cut off at any moment, the same command goes on where it stopped.

  --revision R    branch, tag or commit (default: main); the commit is pinned
  --to FOLDER     where models lie (default: VALLEY_MODELS, else the system's cache folder)
  --mirror URL,…  further hubs that are asked where the first fails; they never see the token
  --parallel N    requests at a time (default: 8)
  --force         check every file's digest again, fetch what is wrong
  --offline       only say where it is (also HF_HUB_OFFLINE=1)

HF_ENDPOINT is the hub (default: ${PUBLIC_HUB}), HF_TOKEN its token: sent to that host alone.

Examples:
  valley pull bytedance-research/Valley3-8B-Instruct
  HF_ENDPOINT=https://hub.example.org valley pull bytedance-research/Valley2.5 --revision main

Known names: ${KNOWN_MODELS.map(({ id }) => id).join(", ")}`;

const FLAGS = {
  revision: { type: "string" },
  to: { type: "string" },
  mirror: { type: "string" },
  parallel: { type: "string" },
  force: { type: "boolean" },
  offline: { type: "boolean" },
  help: { type: "boolean" },
} as const;

/** @returns exit code. Throws UsageError, and Error saying what stands in the way. */
export async function pullCommand(args: string[], env: Env, terminal: Terminal): Promise<number> {
  const parsed = parseCommand(args, { flags: FLAGS, words: 1, usage: PULL_USAGE }, terminal);
  if (parsed === null) return 0;
  const { values, positionals: [asked] } = parsed;
  if (!isHubId(asked)) throw new UsageError(PULL_USAGE);
  const { parallel = "8", revision = "main", force = false } = values;
  if (!/^([1-9]|[1-5]\d|6[0-4])$/.test(parallel)) throw new UsageError("--parallel must be 1 to 64");
  const id = knownModel(asked)?.id ?? asked;
  const root = values.to ?? modelsRoot(env);
  if (values.offline || isOffline(env)) {
    const found = pulledEarlier(root, id, revision);
    if (found === null) throw new Error(`${id} (${revision}) was not pulled whole into ${root}`);
    terminal.write(`${found.folder}\n`);
    return 0;
  }
  const { folder, commit } = await pullWithProgress(root, id, terminal, {
    hub: hubOptions(env, values.mirror ?? null),
    revision,
    parallel: Number(parallel),
    force,
  });
  terminal.write(`${id} at ${commit}: ${folder}\nNext: valley serve --model ${id}\n`);
  return 0;
}
