/** The device goes away under a service with the demo model: every request ends, and it answers as before by itself. */

import { loadPrompt } from "../../src/families/registry_prompt.ts";
import { Media } from "../../src/prompt/media.ts";
import { assert, assertEquals } from "../support/assert.ts";
import type { LossPoint } from "../support/losing_worker.ts";
import { startServer, type TestServer } from "../support/server_harness.ts";

const DEMO = new URL("../../weights/demo", import.meta.url).pathname;
const PICTURE = `data:image/png;base64,${
  Deno.readFileSync(new URL("../../examples/shapes.png", import.meta.url)).toBase64()
}`;
/** Every request has ended by then. */
const END_MS = 5000;
/** The weights are loaded again, on two busy cores. */
const READY_MS = 60_000;

const ask = (words: string) => ({
  messages: [{
    role: "user",
    content: [{ type: "image_url", image_url: { url: PICTURE } }, { type: "text", text: words }],
  }],
});
const QUESTION = ask("What colour is the circle?");
/** Longer than the steps before the loss. */
const LONG = { ...QUESTION, ignore_eos: true, max_tokens: 200 };

/** Loses the device at each point in turn. */
async function loseAt(points: LossPoint[]): Promise<void> {
  const media = new Media(), marker = await Deno.makeTempFile();
  await Deno.writeTextFile(marker, "0");
  const { prompt, card } = await loadPrompt(DEMO, media);
  const server = await startServer({
    other: {
      url: new URL("../support/losing_worker.ts", import.meta.url),
      request: { engine: "gpu", folder: DEMO, model: { lose: points, marker } },
      prompt,
      card,
    },
    decoder: media,
  });
  try {
    const answers: string[] = [];
    for (const point of points) {
      if (point === "idle") {
        await lossOf(server, points.indexOf(point) + 1);
      } else {
        const lost = lossOf(server, points.indexOf(point) + 1);
        const ends = await Promise.all([true, false].map(async (stream) => {
          const response = await server.chat({ ...LONG, stream });
          const text = await response.text();
          assert(
            !text.includes("[DONE]") && !text.includes('"finish_reason":"'),
            `${point}: looks finished: ${text}`,
          );
          return /"code":"(\w+)"/.exec(text)?.[1];
        }));
        // One that comes a little later finds the model being loaded again.
        assert(ends.includes("device_lost"), `${point}: ${ends}`);
        assert(ends.every((code) => code === "device_lost" || code === "loading"), `${point}: ${ends}`);
        const took = performance.now() - await lost;
        assert(took < END_MS, `${point}: ${took} ms`);
      }
      const lost = performance.now();
      while ((await readiness(server.url)) !== 200) {
        assert(performance.now() - lost < READY_MS, `${point}: not ready again`);
        await sleep(50);
      }
      // The next loss waits for a medium, or for more steps than one word takes.
      const last = points.at(-1) === point;
      const body = last ? QUESTION : { messages: [{ role: "user", content: "Hello" }], max_tokens: 1 };
      const { choices } = await server.chat(body).then((response) => response.json());
      if (last) answers.push(choices[0].message.content);
    }
    assertEquals(answers, ["The circle is red."]);
    const stats = await server.idle();
    assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
  } finally {
    await server.close();
    media.close();
    await Deno.remove(marker);
  }
}

/** When the n-th loss was noticed. */
async function lossOf({ log }: TestServer, number: number): Promise<number> {
  const started = performance.now();
  while (log.filter((line) => line.startsWith("Engine lost")).length < number) {
    assert(performance.now() - started < READY_MS, "nobody noticed");
    await sleep(10);
  }
  return performance.now();
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function readiness(url: string): Promise<number> {
  const response = await fetch(`${url}/readyz`);
  await response.body?.cancel();
  return response.status;
}

Deno.test("the device is lost between submit and map, then while idle", () => loseAt(["before map", "idle"]));

Deno.test({
  name: "the device is lost at every point (long form)",
  ignore: Deno.env.get("VALLEY_CAMPAIGN") === undefined,
  fn: () => loseAt(["before submit", "before map", "during map", "in upload", "idle"]),
});
