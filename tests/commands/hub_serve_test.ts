/** One `serve --model ORG/NAME` from nothing to an answer, killed on the way; then again without a hub. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { inFolder } from "../weights/support.ts";
import { publishedDemo } from "../weights/published_demo.ts";
import { TestHub } from "../weights/test_hub.ts";

const PROJECT = new URL("../..", import.meta.url).pathname;
const ID = "org/tiny-valley3";
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function serve(env: Record<string, string>) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", `${PROJECT}main.ts`, "serve", "--model", ID, "--port", "0"],
    env,
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const state = { output: "" };
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) state.output += text;
  })();
  return { child, state, ended: () => Promise.all([child.status, reading]) };
}

async function answer(env: Record<string, string>): Promise<string> {
  const { child, state, ended } = serve(env);
  try {
    let address: string | undefined;
    for (let i = 0; i < 1200 && address === undefined; i++) {
      address = /tiny-valley3 ready on (http:\S+)/.exec(state.output)?.[1];
      await sleep(50);
    }
    assert(address !== undefined, `not ready: ${state.output}`);
    const reply = await fetch(`${address}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 4 }),
    });
    const body = await reply.json();
    assertEquals(reply.status, 200, JSON.stringify(body));
    assertEquals(body.model, "tiny-valley3");
    assert(body.usage.completion_tokens > 0);
  } finally {
    child.kill("SIGINT");
    await ended();
  }
  return state.output;
}

Deno.test("serve --model ORG/NAME: pulled, converted, served; killed while pulling; again offline", async () => {
  await inFolder(async (folder) => {
    const files = publishedDemo(folder);
    const hub = new TestHub(ID, files);
    // The largest comes last.
    const [last] = Object.entries(files).sort(([, a], [, b]) => b.length - a.length)[0];
    const env = {
      HF_ENDPOINT: hub.url,
      HF_TOKEN: "secret",
      VALLEY_MODELS: `${folder}/models`,
      DENO_WEBGPU_BACKEND: Deno.env.get("DENO_WEBGPU_BACKEND") ?? "vulkan",
    };
    let all = 0;
    try {
      // The last shard never comes: the process is killed while it waits.
      hub.misbehave = async ({ path }) => {
        if (path.includes(last)) await sleep(3000);
        return null;
      };
      const first = serve(env);
      for (let i = 0; i < 400 && !hub.requests.some(({ path }) => path.includes(last)); i++) {
        await sleep(50);
      }
      first.child.kill("SIGKILL");
      await first.ended();
      hub.misbehave = () => null;
      await sleep(50);
      hub.requests.length = 0;
      const output = await answer(env);
      assertMatch(output, /pulling \d+ %[\s\S]*pulling done[\s\S]*converting \d+ %[\s\S]*converting done/);
      assert(
        !hub.requests.some(({ path }) => /-of-/.test(path) && !path.includes(last)),
        `fetched again: ${hub.requests.map(({ path }) => path)}, last was ${last}`,
      );
      all = hub.requests.length;
    } finally {
      await hub[Symbol.asyncDispose]();
    }
    assert(all > 1);
    const output = await answer({ ...env, HF_HUB_OFFLINE: "1" });
    assert(!output.includes("pulling") && !output.includes("converting"), output);
  });
});
