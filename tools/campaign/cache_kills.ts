/** T-CRASH: a server killed while it saves its prefix cache, then started again. */

import {
  ask,
  blocksSaid,
  cacheFiles,
  checkRestored,
  coldAnswers,
  DEMO_MODEL,
  HASH_ENGINE,
  prompts,
  type Served,
  start,
} from "./cache_process.ts";
import { type Campaign, sleep, Tally } from "./campaign.ts";
import { VARIABLE } from "./watched_files.ts";
import { copyFolder, everyKth, inFolder, KILLS, progressOf } from "./model_process.ts";
import { type ServerProcess, startProcess } from "./server_process.ts";

export const cacheKills: Campaign = {
  id: "issue 7, 1; T-CRASH",
  target:
    "kill -9 at every k-th file operation of the cache's saving and at random moments of it: the old or the new cache restored, answers those of the cold path, nothing left over",
  run: async (scale) => {
    const missed = new Tally();
    const most = Math.max(4, Math.round(80 * scale)), random = Math.max(2, Math.round(50 * scale));
    const fake = await kills(HASH_ENGINE, most, random, missed);
    const demo = await kills(DEMO_MODEL, Math.max(2, Math.round(10 * scale)), 0, missed);
    return {
      did: `${fake.did}; ${demo.did}`,
      figures: `${
        missed.list.length === 0 ? "all answers those of the cold path, nothing left over; " : ""
      }${fake.figures}; ${demo.figures}`,
      missed: missed.list,
    };
  },
};

function kills(served: Served, most: number, random: number, missed: Tally) {
  return inFolder(async (folder) => {
    const { old, young } = prompts(served.repeats);
    const cold = await coldAnswers(served);
    const saved = `${folder}/saved`, state = `${folder}/state`, report = `${folder}/report`;
    const first = await start(served, saved);
    for (const content of old) await ask(first, content);
    await first.stop();
    const oldBlocks = blocksSaid(first.log(), "saved");

    /** A server that holds the old cache and more, about to save; killed at that operation. */
    const about = async (at: number | null): Promise<ServerProcess> => {
      Deno.removeSync(state, { recursive: true });
      copyFolder(saved, state);
      const server = await startProcess([...served.args, "--state", state], {
        flags: ["-A", "--preload", KILLS],
        env: { ...served.env, [VARIABLE]: JSON.stringify({ under: `${state}/cache.valleykv`, at, report }) },
      });
      for (const content of young) await ask(server, content);
      server.signal("SIGTERM");
      return server;
    };
    Deno.mkdirSync(state);
    const whole = await about(null);
    const asked = performance.now();
    await whole.ended;
    const ending = performance.now() - asked;
    const newBlocks = blocksSaid(whole.log(), "saved");
    const { operations } = progressOf(report);
    const full = await checkRestored(served, state, cold, missed);
    if (!(oldBlocks > 0 && newBlocks > oldBlocks && full.blocks === newBlocks)) {
      missed.add(`${oldBlocks} blocks, then ${newBlocks} saved, ${full.blocks} restored`);
    }

    const restored = new Tally();
    const check = async (where: string) => {
      const { blocks, cached } = await checkRestored(served, state, cold, missed);
      const name = blocks === oldBlocks ? "old" : blocks === newBlocks ? "new" : "neither";
      restored.add(name);
      if (name === "neither") missed.add(`${where}: ${blocks} blocks restored`);
      for (const content of name === "new" ? cold.keys() : old) {
        if (cached.get(content) !== full.cached.get(content)) {
          missed.add(`${where}: the cache gave less than it held`);
        }
      }
      if (cacheFiles(state).length !== 1) missed.add(`${where}: ${cacheFiles(state)} left over`);
    };
    const { k, points } = everyKth(operations, most);
    for (const at of points) {
      const code = await (await about(at)).ended;
      if (code !== 137) missed.add(`not killed at operation ${at}: ${code}`);
      await check(`operation ${at}`);
    }
    let killed = 0;
    for (let i = 0; i < random; i++) {
      const server = await about(null);
      await sleep(Math.random() * ending);
      try {
        server.signal("SIGKILL");
      } catch { /* it has ended */ }
      if (await server.ended === 137) killed++;
      await check("random moment");
    }
    return {
      did: `${served.name}: ${operations} operations, k = ${k}, ${points.length} kills${
        random > 0 ? `, and ${killed} at random moments` : ""
      }`,
      figures: `${oldBlocks} old blocks, ${newBlocks} new; restored: ${restored}`,
    };
  });
}
