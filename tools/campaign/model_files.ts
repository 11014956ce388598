/** Pull, convert and batch as processes that are killed, and on disks that fill up. */

import { createHash } from "node:crypto";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { convert } from "../../src/weights/convert.ts";
import { openVerified } from "../../src/weights/verify.ts";
import { FaultyDisk } from "../../tests/weights/faulty_disk.ts";
import { COMMIT, TestHub } from "../../tests/weights/test_hub.ts";
import { type Campaign, sleep, Tally } from "./campaign.ts";
import { FAKE, startProcess } from "./server_process.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const ID = "org/model";

/** A bf16 checkpoint of `layers` matrices [1024, 1024], two a file. */
function checkpoint(folder: string, layers: number): Record<string, Uint8Array<ArrayBuffer>> {
  Deno.mkdirSync(folder, { recursive: true });
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  const map: Record<string, string> = {};
  for (let file = 0; file < layers / 2; file++) {
    const name = `model-0000${file + 1}-of-0000${layers / 2}.safetensors`;
    const plan: PlannedTensor[] = [0, 1].map((i) => {
      const tensor = `layers.${2 * file + i}.weight`;
      map[tensor] = name;
      return { name: tensor, dtype: "BF16", shape: [1024, 1024], bytes: 2 << 20 };
    });
    const writer = SafetensorsWriter.create(`${folder}/${name}`, plan);
    for (const { name, bytes } of plan) {
      const words = Uint16Array.from(
        { length: bytes / 2 },
        (_, i) => 0x3c00 + (Math.imul(i + file, 40503) & 0x83ff),
      );
      writer.write(name, words);
    }
    writer.finish();
    files[name] = Deno.readFileSync(`${folder}/${name}`);
  }
  files["model.safetensors.index.json"] = new TextEncoder().encode(JSON.stringify({ weight_map: map }));
  files["config.json"] = new TextEncoder().encode('{"model_type":"test"}');
  for (const name of ["model.safetensors.index.json", "config.json"]) {
    Deno.writeFileSync(`${folder}/${name}`, files[name]);
  }
  return files;
}

function start(args: string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", MAIN, ...args],
    env,
    stdout: "null",
    stderr: "null",
  }).spawn();
}

function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const { name, isFile } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (isFile) hash.update(name).update(Deno.readFileSync(`${folder}/${name}`));
  }
  return hash.digest("hex");
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "valley-campaign-" });
  try {
    return await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Kills the command after a random share of `whole` ms until it comes to its end by itself. @returns kills */
async function killOften(command: () => Deno.ChildProcess, whole: number, kills: number): Promise<number> {
  for (let done = 0; done < kills; done++) {
    const child = command();
    const ended = child.status.then(() => true);
    if (await Promise.race([ended, sleep(Math.random() * whole).then(() => false)])) return done;
    child.kill("SIGKILL");
    await ended;
  }
  const { code } = await command().status;
  if (code !== 0) throw new Error(`the last run ended with ${code}`);
  return kills;
}

export const crash: Campaign = {
  id: "issue 7, 1; T-CRASH",
  target:
    "kill -9 at 100 random moments of pull and of convert: 0 corrupt files accepted, equal digests, little fetched twice",
  run: (scale) =>
    inFolder(async (folder) => {
      const rounds = Math.max(1, Math.round(100 * scale));
      const files = checkpoint(`${folder}/in`, 8);
      const missed = new Tally();
      await convert(`${folder}/in`, `${folder}/whole`, { source: "in" });
      const wanted = digestOf(`${folder}/whole`);
      const timed = performance.now();
      await start(["convert", `${folder}/in`, `${folder}/timed`]).status;
      const whole = performance.now() - timed;
      let converted = 0;
      while (converted < rounds) {
        const out = `${folder}/out`;
        converted += await killOften(
          () => start(["convert", `${folder}/in`, out]),
          whole,
          Math.min(5, rounds - converted),
        );
        if (digestOf(out) !== wanted) {
          missed.add("convert gave other bytes");
        }
        if (openVerified(out, "full") === null) missed.add("converted folder has no manifest");
        Deno.removeSync(out, { recursive: true });
      }
      const hub = new TestHub(ID, files);
      const all = Object.values(files).reduce((sum, { length }) => sum + length, 0);
      // Slow enough that most of the time goes into fetching.
      hub.misbehave = async ({ path }) => (path.startsWith("/api") || await sleep(60), null);
      let pulled = 0, extra = 0;
      try {
        while (pulled < rounds) {
          hub.sent = 0;
          const env = { HF_ENDPOINT: hub.url, VALLEY_MODELS: `${folder}/models` };
          pulled += await killOften(
            () => start(["pull", ID], env),
            whole * 1.5,
            Math.min(5, rounds - pulled),
          );
          extra += Math.max(0, hub.sent - all);
          const target = `${folder}/models/hub/org--model/${COMMIT}`;
          for (const [name, bytes] of Object.entries(files)) {
            const got = Deno.readFileSync(`${target}/${name}`);
            if (got.length !== bytes.length || got.some((b, i) => b !== bytes[i])) {
              missed.add(
                `pull: ${name} is wrong`,
              );
            }
          }
          Deno.removeSync(`${folder}/models`, { recursive: true });
        }
      } finally {
        await hub[Symbol.asyncDispose]();
      }
      // A kill may cost the range under way, here a whole file.
      const most = pulled * Math.max(...Object.values(files).map(({ length }) => length));
      if (extra > most) missed.add(`${extra} bytes fetched twice, ${most} may be`);
      return {
        did: `${converted} kills of convert, ${pulled} of pull`,
        figures: `${`${missed}` === "" ? "equal digests each time; " : ""}${
          (extra / 2 ** 20 / pulled).toFixed(1)
        } MiB fetched twice for each kill of a pull (files of 4 MiB, one range each)`,
        missed: `${missed}` === "" ? [] : [`${missed}`],
      };
    }),
};

export const diskFull: Campaign = {
  id: "issue 7, 1; T-FULL",
  target:
    "a full disk at 20 points of convert: told with the bytes needed, the old model untouched, then done",
  run: (scale) =>
    inFolder(async (folder) => {
      checkpoint(`${folder}/in`, 4);
      checkpoint(`${folder}/old`, 2);
      await convert(`${folder}/old`, `${folder}/out`);
      const before = digestOf(`${folder}/out`);
      const counting = new FaultyDisk({ at: Infinity, kind: "full" });
      await convert(`${folder}/in`, `${folder}/count`, { disk: counting });
      const points = Math.max(2, Math.round(20 * scale));
      const missed: string[] = [];
      let told = 0;
      for (let i = 0; i < points; i++) {
        // The last writes are those of the manifest; the renames after them need no room.
        const at = Math.floor(0.95 * counting.operations * i / points);
        try {
          await convert(`${folder}/in`, `${folder}/out`, { disk: new FaultyDisk({ at, kind: "full" }) });
          missed.push(`operation ${at} of ${counting.operations}: it went through`);
        } catch (error) {
          if (/disk is full; the whole model needs \d+ bytes/.test((error as Error).message)) told++;
          else missed.push(`operation ${at}: ${(error as Error).message}`);
        }
        Deno.removeSync(`${folder}/out/.converting`, { recursive: true }); // each point from the start
        if (digestOf(`${folder}/out`) !== before) missed.push(`operation ${at}: the old model has changed`);
      }
      await convert(`${folder}/in`, `${folder}/out`);
      if (digestOf(`${folder}/out`) !== digestOf(`${folder}/count`)) missed.push("other bytes in the end");
      return { did: `${points} points`, figures: `${told} told with the bytes needed`, missed };
    }),
};

export const batchKills: Campaign = {
  id: "issue 7, 6",
  target: "batch: 10,000 lines on the fake engine, killed 5 times: every line once",
  run: (scale) =>
    inFolder(async (folder) => {
      const lines = Math.round(10_000 * scale);
      const url = "/v1/chat/completions";
      const text = Array.from({ length: lines }, (_, i) =>
        JSON.stringify({
          custom_id: `r${i}`,
          method: "POST",
          url,
          body: { messages: [{ role: "user", content: `listing ${i % 50}: question ${i}` }], max_tokens: 4 },
        })).join("\n");
      Deno.writeTextFileSync(`${folder}/in.jsonl`, text);
      const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":0.2}']);
      const missed: string[] = [];
      let kills = 0;
      try {
        const run = () =>
          start([
            "batch",
            `${folder}/in.jsonl`,
            `${folder}/out.jsonl`,
            "--url",
            server.url,
            "--parallel",
            "16",
          ]);
        for (; kills < 5; kills++) {
          const child = run();
          const goal = lines * (kills + 1) / 7;
          while (countLines(`${folder}/out.jsonl`) < goal) await sleep(50);
          child.kill("SIGKILL");
          await child.status;
        }
        const { code } = await run().status;
        if (code !== 0) missed.push(`the last run ended with ${code}`);
      } finally {
        await server.stop();
      }
      const ids = Deno.readTextFileSync(`${folder}/out.jsonl`).trim().split("\n").map((t) =>
        JSON.parse(t).custom_id
      );
      const distinct = new Set(ids).size;
      if (ids.length !== lines || distinct !== lines) {
        missed.push(`${ids.length} lines, ${distinct} of them distinct`);
      }
      return {
        did: `${lines} lines, ${kills} kills`,
        figures: `${ids.length} answers, ${distinct} distinct`,
        missed,
      };
    }),
};

function countLines(path: string): number {
  try {
    return Deno.readFileSync(path).reduce((sum, byte) => sum + (byte === 10 ? 1 : 0), 0);
  } catch {
    return 0;
  }
}
