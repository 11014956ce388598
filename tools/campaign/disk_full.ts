/** T-FULL: convert, pull and the cache's saving on file systems of 20 sizes, from none of the room needed to nearly all. */

import { convert } from "../../src/weights/convert.ts";
import { pulledEarlier } from "../../src/weights/pull.ts";
import { COMMIT, TestHub } from "../../tests/weights/test_hub.ts";
import {
  ask,
  blocksSaid,
  cacheFiles,
  checkRestored,
  coldAnswers,
  HASH_ENGINE,
  prompts,
  start,
} from "./cache_process.ts";
import { type Campaign, Tally } from "./campaign.ts";
import {
  checkpoint,
  copyFolder,
  digestOf,
  type Files,
  inFolder,
  runToEnd,
  sameBytes,
} from "./model_process.ts";
import { bytesOn, onSmallDisk, type SmallDisk } from "./small_disk.ts";

const ID = "org/model";
/** Room for the batches' database: a server that cannot open it does not start. */
const SQLITE = 256 << 10;
/** Without `sys` the free room cannot be asked for: the command runs into the full disk instead of refusing to begin. */
const BLIND = ["--allow-read", "--allow-write", "--allow-env", "--allow-net", "--allow-ffi"];

export const diskFull: Campaign = {
  id: "issue 7, 1; T-FULL",
  target:
    "a full disk at 20 sizes of convert, pull and cache save: told with the bytes needed, what was there untouched, then done; serving goes on without the save",
  run: (scale) =>
    inFolder(async (folder) => {
      const sizes = Math.max(3, Math.round(20 * scale));
      const missed = new Tally();
      const files = checkpoint(`${folder}/in`, 8);
      const figures = [
        await ofConvert(folder, sizes, missed),
        await ofPull(folder, files, sizes, missed),
        await ofCache(folder, sizes, missed),
      ];
      return {
        did: `${sizes} sizes each, tmpfs`,
        figures: figures.join("; "),
        missed: missed.list,
      };
    }),
};

/**
 * Runs the command into the full disk, then lets it look at the room first, then gives it room.
 * @param untouched whether what was there before is as it was
 */
async function threeRuns(
  name: string,
  args: string[],
  { env, disk, room, untouched, whole }: {
    env?: Record<string, string>;
    disk: SmallDisk;
    room: number;
    untouched: () => boolean;
    whole: () => boolean;
  },
  missed: Tally,
  told: Tally,
): Promise<void> {
  const full = await runToEnd(args, { env, flags: BLIND });
  if (full.code === 69 && /disk is full; the whole model needs \d+ bytes/.test(full.said)) told.add("full");
  else missed.add(`${name}: ${full.code} ${full.said.trim().slice(-150)}`);
  if (!untouched()) missed.add(`${name}: what was there before has changed`);
  const asked = await runToEnd(args, { env });
  if (asked.code === 69 && /\d+ bytes are needed in .*, \d+ are free/.test(asked.said)) told.add("before");
  else if (asked.code === 69 && /the whole model needs \d+ bytes/.test(asked.said)) told.add("full");
  else missed.add(`${name}, free room known: ${asked.code} ${asked.said.trim().slice(-150)}`);
  if (!untouched()) missed.add(`${name}: what was there before has changed`);
  await disk.grow(room);
  const { code } = await runToEnd(args, { env });
  if (code !== 0 || !whole()) missed.add(`${name}: other bytes in the end, exit ${code}`);
}

const toldOf = (told: Tally) =>
  `told on running into it ${told.of("full")}, before beginning ${told.of("before")}`;

async function ofConvert(folder: string, sizes: number, missed: Tally): Promise<string> {
  checkpoint(`${folder}/in-old`, 2);
  await convert(`${folder}/in-old`, `${folder}/old`);
  await convert(`${folder}/in`, `${folder}/new`, { source: "in" });
  const old = digestOf(`${folder}/old`), wanted = digestOf(`${folder}/new`);
  const held = bytesOn(`${folder}/old`), needed = bytesOn(`${folder}/new`);
  const told = new Tally();
  for (let i = 0; i < sizes; i++) {
    await onSmallDisk(`${folder}/disk`, held + 4096 + needed * i / sizes, async (disk) => {
      const out = `${disk.path}/out`;
      copyFolder(`${folder}/old`, out);
      await threeRuns(
        "convert",
        ["convert", `${folder}/in`, out],
        {
          disk,
          room: 3 * (held + needed),
          untouched: () => digestOf(out) === old,
          whole: () => digestOf(out) === wanted && bytesOn(out) === needed,
        },
        missed,
        told,
      );
    });
  }
  return `convert over an old model: ${toldOf(told)}`;
}

async function ofPull(folder: string, files: Files, sizes: number, missed: Tally): Promise<string> {
  await using hub = new TestHub(ID, files);
  const needed = bytesOn(`${folder}/in`);
  const told = new Tally();
  for (let i = 0; i < sizes; i++) {
    await onSmallDisk(`${folder}/disk`, 8 * 4096 + needed * i / sizes, async (disk) => {
      const target = `${disk.path}/hub/org--model/${COMMIT}`;
      await threeRuns(
        "pull",
        ["pull", ID],
        {
          env: { HF_ENDPOINT: hub.url, VALLEY_MODELS: disk.path },
          disk,
          room: 3 * needed,
          untouched: () => pulledEarlier(disk.path, ID) === null,
          whole: () =>
            pulledEarlier(disk.path, ID) !== null &&
            Object.entries(files).every(([name, bytes]) =>
              sameBytes(Deno.readFileSync(`${target}/${name}`), bytes)
            ),
        },
        missed,
        told,
      );
    });
  }
  return `pull: ${toldOf(told)}`;
}

async function ofCache(folder: string, sizes: number, missed: Tally): Promise<string> {
  const served = { ...HASH_ENGINE, repeats: 30 };
  const { old, young } = prompts(served.repeats);
  const cold = await coldAnswers(served);
  const saved = `${folder}/saved`, larger = `${folder}/larger`;
  const fill = async (state: string, contents: string[]) => {
    const server = await start(served, state);
    for (const content of contents) await ask(server, content);
    const code = await server.stop();
    return { code, blocks: blocksSaid(server.log(), "saved"), log: server.log() };
  };
  const { blocks: oldBlocks } = await fill(saved, old);
  await fill(larger, [...old, ...young]);
  const before = digestOf(saved);
  // What the save needs at least: the new file beside the old one.
  const held = bytesOn(saved), needed = bytesOn(larger) - bytesOn(`${larger}/batches`);
  let refused = 0;
  for (let i = 0; i < sizes; i++) {
    await onSmallDisk(`${folder}/disk`, held + SQLITE + needed * i / sizes, async (disk) => {
      const state = `${disk.path}/state`;
      await new Deno.Command("cp", { args: ["-a", saved, state] }).output();
      const { code, log } = await fill(state, young);
      if (code === 0 && /"event":"not saved".*os error 28/.test(log)) refused++;
      else missed.add(`cache, size ${i}: exit ${code}, ${log.trim().slice(-150)}`);
      if (digestOf(state) !== before || cacheFiles(state).length !== 1) {
        missed.add("the old cache has changed, or something is left over");
      }
      await disk.grow(3 * (held + needed));
      const { blocks } = await checkRestored(served, state, cold, missed);
      if (blocks !== oldBlocks) missed.add(`${blocks} blocks restored, ${oldBlocks} had been saved`);
      if (digestOf(state) === before) missed.add("with room it was not saved");
    });
  }
  return `cache save: ${refused} told in the log while all requests were answered, exit 0, the old cache restored`;
}
