/** T-CRASH: pull and convert killed at random moments. */

import { convert } from "../../src/weights/convert.ts";
import { openVerified } from "../../src/weights/verify.ts";
import { COMMIT, TestHub } from "../../tests/weights/test_hub.ts";
import { type Campaign, sleep, Tally } from "./campaign.ts";
import { checkpoint, digestOf, inFolder, killOften, sameBytes, start } from "./model_process.ts";

const ID = "org/model";

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
        if (digestOf(out) !== wanted) missed.add("convert gave other bytes");
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
            () => start(["pull", ID], { env }),
            whole * 1.5,
            Math.min(5, rounds - pulled),
          );
          extra += Math.max(0, hub.sent - all);
          const target = `${folder}/models/hub/org--model/${COMMIT}`;
          for (const [name, bytes] of Object.entries(files)) {
            if (!sameBytes(Deno.readFileSync(`${target}/${name}`), bytes)) {
              missed.add(`pull: ${name} is wrong`);
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
        figures: `${missed.list.length === 0 ? "equal digests each time; " : ""}${
          (extra / 2 ** 20 / pulled).toFixed(1)
        } MiB fetched twice for each kill of a pull (files of 4 MiB, one range each)`,
        missed: missed.list,
      };
    }),
};
