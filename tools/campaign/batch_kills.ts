/** A batch file whose run is killed again and again. */

import { type Campaign, sleep } from "./campaign.ts";
import { inFolder, start } from "./model_process.ts";
import { FAKE, startProcess } from "./server_process.ts";

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
