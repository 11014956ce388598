/** T-CRASH: pull and convert ended with SIGKILL at every k-th file operation. */

import { convert } from "../../src/weights/convert.ts";
import { pulledEarlier } from "../../src/weights/pull.ts";
import { openVerified } from "../../src/weights/verify.ts";
import { COMMIT, TestHub } from "../../tests/weights/test_hub.ts";
import { type Campaign, Tally } from "./campaign.ts";
import {
  checkpoint,
  copyFolder,
  digestOf,
  everyKth,
  type Files,
  inFolder,
  progressOf,
  runToEnd,
  sameBytes,
} from "./model_process.ts";

const ID = "org/model";
/** Kills of each command. */
const MOST = 120;

interface Swept {
  did: string;
  /** Bytes that were finished at the kills, and those of them that were not done again. */
  finished: number;
  kept: number;
}

export const sweep: Campaign = {
  id: "issue 7, 1; T-CRASH",
  target:
    "kill -9 at every k-th file operation of pull and of convert over an older model: 0 corrupt files accepted, ≥ 90 % of the finished bytes kept, nothing left over, equal digests",
  run: (scale) =>
    inFolder(async (folder) => {
      const files = checkpoint(`${folder}/in`, 8);
      const missed = new Tally();
      const most = Math.max(4, Math.round(MOST * scale));
      const converted = await sweepConvert(folder, most, missed);
      const pulled = await sweepPull(folder, files, most, missed);
      const share = ({ kept, finished }: Swept) => 100 * kept / finished;
      for (const [name, swept] of [["convert", converted], ["pull", pulled]] as const) {
        if (!(share(swept) >= 90)) {
          missed.add(`${name} kept ${share(swept).toFixed(1)} % of what was finished`);
        }
      }
      const figure = (swept: Swept) =>
        `${share(swept).toFixed(1)} % of ${(swept.finished / 2 ** 20).toFixed(0)} MiB finished at the kills`;
      return {
        did: `${converted.did}; ${pulled.did}`,
        figures: `${
          missed.list.length === 0 ? "0 corrupt files accepted, equal digests, nothing left over; " : ""
        }kept: convert ${figure(converted)}, pull ${figure(pulled)}`,
        missed: missed.list,
      };
    }),
};

/** Each kill in a folder that holds an older model. */
async function sweepConvert(folder: string, most: number, missed: Tally): Promise<Swept> {
  checkpoint(`${folder}/in-old`, 8, 1);
  // By another rounding: same names and sizes, other bytes, and another recipe.
  await convert(`${folder}/in-old`, `${folder}/old`, { source: "in", rounding: "search" });
  await convert(`${folder}/in`, `${folder}/new`, { source: "in" });
  const old = digestOf(`${folder}/old`), wanted = digestOf(`${folder}/new`);
  const sizes = tensorBytes(`${folder}/new`);
  const out = `${folder}/out`, report = `${folder}/report`;
  const run = async (at: number | null) => {
    const kill = { under: out, at, report };
    const ended = await runToEnd(["convert", `${folder}/in`, out], { kill });
    return { ...ended, ...progressOf(report) };
  };
  copyFolder(`${folder}/old`, out);
  const whole = await run(null);
  if (digestOf(out) !== wanted) missed.add("convert without a kill gave other bytes");
  const { k, points } = everyKth(whole.operations, most);
  let finished = 0, kept = 0, refused = 0;
  for (const at of points) {
    Deno.removeSync(out, { recursive: true });
    copyFolder(`${folder}/old`, out);
    if ((await run(at)).signal !== "SIGKILL") missed.add(`convert was not killed at operation ${at}`);
    const accepted = isAccepted(out);
    const digest = digestOf(out);
    if (!accepted) refused++;
    else if (digest !== old && digest !== wanted) {
      missed.add(`convert, operation ${at}: mixed files accepted`);
    }
    const done = finishedTensors(`${out}/.converting/journal`, sizes);
    const rest = await run(null);
    if (rest.code !== 0) {
      missed.add(`convert, operation ${at}: then ${rest.code} ${rest.said.trim().slice(-150)}`);
      continue;
    }
    finished += done;
    kept += done - Math.max(0, Math.min(done, rest.bytes - (whole.bytes - done)));
    if (!isAccepted(out) || digestOf(out) !== wanted) {
      missed.add(`convert, operation ${at}: other bytes in the end`);
    }
    if ([...Deno.readDirSync(out)].some(({ name }) => !Deno.statSync(`${folder}/new/${name}`).isFile)) {
      missed.add(`convert, operation ${at}: something is left over`);
    }
  }
  return {
    did:
      `convert: ${whole.operations} operations, k = ${k}, ${points.length} kills (${refused} in the middle of ` +
      `its renames, refused)`,
    finished,
    kept,
  };
}

/** Whether a server would load it. */
function isAccepted(folder: string): boolean {
  try {
    return openVerified(folder, "full") !== null;
  } catch {
    return false;
  }
}

/** Bytes of the tensors of all files in a folder. */
function tensorBytes(folder: string): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".safetensors")) continue;
    const bytes = Deno.readFileSync(`${folder}/${name}`);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    for (const [tensor, { data_offsets }] of Object.entries<{ data_offsets?: number[] }>(header)) {
      if (data_offsets !== undefined) sizes.set(tensor, data_offsets[1] - data_offsets[0]);
    }
  }
  return sizes;
}

/** Entries of a journal; a last line that was cut off does not count. */
function entriesOf<Entry>(journal: string): Entry[] {
  try {
    const lines = Deno.readTextFileSync(journal).split("\n").slice(0, -1);
    return lines.slice(1).map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

function finishedTensors(journal: string, sizes: Map<string, number>): number {
  return entriesOf<{ tensor?: string }>(journal).reduce(
    (sum, { tensor }) => sum + (sizes.get(tensor ?? "") ?? 0),
    0,
  );
}

async function sweepPull(folder: string, files: Files, most: number, missed: Tally): Promise<Swept> {
  await using hub = new TestHub(ID, files);
  const models = `${folder}/models`, report = `${folder}/report`;
  const target = `${models}/hub/org--model/${COMMIT}`;
  const run = async (at: number | null) => {
    hub.sent = 0;
    const env = { HF_ENDPOINT: hub.url, VALLEY_MODELS: models };
    const ended = await runToEnd(["pull", ID], { env, kill: { under: models, at, report } });
    return { ...ended, ...progressOf(report), sent: hub.sent };
  };
  const right = () =>
    Object.entries(files).every(([name, bytes]) => sameBytes(Deno.readFileSync(`${target}/${name}`), bytes));
  const whole = await run(null);
  const { k, points } = everyKth(whole.operations, most);
  let finished = 0, kept = 0, killed = 0;
  for (const at of points) {
    Deno.removeSync(models, { recursive: true });
    if ((await run(at)).signal === "SIGKILL") killed++; // bytes come in other pieces each time
    if (pulledEarlier(models, ID) !== null && !right()) {
      missed.add(`pull, operation ${at}: wrong files accepted`);
    }
    const entries = entriesOf<{ file: string; chunk?: number }>(`${target}/.pulling/journal`);
    const chunks = entries.filter(({ chunk }) => chunk !== undefined); // one chunk a file
    const done = chunks.reduce((sum, { file }) => sum + files[file].length, 0);
    const rest = await run(null);
    if (rest.code !== 0) {
      missed.add(`pull, operation ${at}: then ${rest.code} ${rest.said.trim().slice(-150)}`);
      continue;
    }
    finished += done;
    kept += done - Math.max(0, Math.min(done, rest.sent - (whole.sent - done)));
    if (pulledEarlier(models, ID) === null || !right()) {
      missed.add(`pull, operation ${at}: other bytes in the end`);
    }
    const names = [...Deno.readDirSync(target)].map(({ name }) => name);
    if (names.some((name) => !(name in files) && name !== "pulled.json")) {
      missed.add(`pull, operation ${at}: something is left over`);
    }
  }
  return { did: `pull: ${whole.operations} operations, k = ${k}, ${killed} kills`, finished, kept };
}
