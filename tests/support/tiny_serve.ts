/** A tiny checkpoint of an older family in a hub of the test's own, served by `main.ts serve --model ORG/NAME` from nothing. */
import { which } from "../../tools/setup/probe.ts";
import { assert, assertEquals } from "./assert.ts";
import { chooseFreePort, waitForStatus } from "./processes.ts";
import { TestHub } from "../weights/test_hub.ts";
import { type TinyFamily, writeTiny } from "./tiny_valley.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const PICTURE = new URL("../../examples/shapes.png", import.meta.url);
const VIDEOS = new URL("../fixtures/media/videos/", import.meta.url);

// deno-lint-ignore no-explicit-any
type Json = any;

const dataUrl = (type: string, url: URL): string =>
  `data:${type};base64,${Deno.readFileSync(url).toBase64()}`;

export const picture = { type: "image_url", image_url: { url: dataUrl("image/png", PICTURE) } };
export const video = (name: string) => ({
  type: "video_url",
  video_url: { url: dataUrl("video/mp4", new URL(name, VIDEOS)) },
});
export const text = (words: string) => ({ type: "text", text: words });
export const hasFfmpeg = which("ffmpeg") !== null;

export interface TinyServer {
  get(path: string): Promise<Json>;
  /** Status and body. */
  chat(body: Json): Promise<[number, Json]>;
  /** A streamed answer of 6 tokens, read to its end. */
  stream(parts: unknown[], extra?: Json): Promise<{ text: string; usage: Json }>;
}

/** The published name of each. */
const HUB_NAMES: Record<TinyFamily, string> = {
  valley2_5: "bytedance-research/Valley2.5",
  valley2: "bytedance-research/Valley-Eagle-7B",
  valley1: "luoruipu1/Valley2-7b",
};

/** Pulls, converts and serves; runs `use` against the served model. */
export async function withTiny(
  family: TinyFamily,
  use: (server: TinyServer) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "valley-tiny-" });
  const port = chooseFreePort();
  const url = `http://127.0.0.1:${port}`;
  try {
    await Deno.mkdir(`${folder}/source`);
    writeTiny(family, `${folder}/source`);
    const names = [...Deno.readDirSync(`${folder}/source`)].map(({ name }) => name);
    const files = names.map((name) => [name, Deno.readFileSync(`${folder}/source/${name}`)]);
    await using hub = new TestHub(HUB_NAMES[family], Object.fromEntries(files));
    const options = JSON.stringify({ kvBytes: 16 << 20, mediaBytes: 4 << 20, maxSequences: 2 });
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", MAIN, "serve", "--model", hub.id]
        .concat(["--model-name", "tiny", "--port", String(port), "--drain-grace", "0"])
        .concat(["--engine-options", options]),
      env: { HF_ENDPOINT: hub.url, VALLEY_MODELS: `${folder}/models` },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const errors = new Response(child.stderr).text();
    try {
      if (!await waitForStatus(`${url}/health`, 200, 100)) {
        child.kill("SIGKILL");
        throw new Error(`never ready: ${await errors}`);
      }
      await use(clientOf(url));
    } finally {
      try {
        child.kill("SIGTERM");
      } catch { /* it has ended */ }
      await child.status;
    }
    assert(!/not understood/.test(await errors), `keys not understood: ${await errors}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function clientOf(url: string): TinyServer {
  const post = (body: Json) =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ temperature: 0, ...body }),
    });
  return {
    get: async (path) => await (await fetch(url + path)).json(),
    async chat(body) {
      const response = await post(body);
      return [response.status, await response.json()];
    },
    async stream(parts, extra = {}) {
      const messages = [{ role: "user", content: parts }];
      const response = await post({
        messages,
        max_tokens: 6,
        logit_bias: {},
        stream: true,
        stream_options: { include_usage: true },
        ...extra,
      });
      const body = await response.text();
      assertEquals(response.status, 200, body);
      const lines = body.split("\n\n").filter((line) => line.startsWith("data: ")).map((l) => l.slice(6));
      assertEquals(lines.at(-1), "[DONE]");
      const chunks: Json[] = lines.slice(0, -1).map((line) => JSON.parse(line));
      const words = chunks.map(({ choices }) => choices[0]?.delta?.content ?? "").join("");
      return { text: words, usage: chunks.at(-1).usage };
    },
  };
}
