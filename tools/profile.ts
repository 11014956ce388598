/**
 * `deno task profile [--model FOLDER] [--tokens N] -- REQUEST.json`: where the time of one request goes, kernel by
 * kernel. REQUEST.json is a body of /v1/chat/completions with its media inline. Times are the device's own
 * (timestamp-query), one compute pass a dispatch, so that the sum is a little over an untimed run's.
 */
import { parseArgs } from "node:util";
import type { Prompt } from "../src/families/family.ts";
import { loadModel } from "../src/families/registry.ts";
import { loadPrompt } from "../src/families/registry_prompt.ts";
import { Valley3Model } from "../src/families/valley3/model.ts";
import type { Timing } from "../src/gpu/pass.ts";
import { Media } from "../src/prompt/media.ts";
import { parseChatRequest } from "../src/server/chat_request.ts";
import { readMessages } from "../src/server/content.ts";
import { RemoteMedia } from "../src/server/remote_media.ts";
import { DEFAULT_LIMITS } from "../src/server/limits.ts";
import { greedy } from "./golden/answers.ts";
import { runtimeDir, setUp } from "./setup/setup.ts";

const USAGE = "usage: deno task profile [--model FOLDER] [--tokens N] -- REQUEST.json";

async function buildPrompt(folder: string, file: string): Promise<Prompt> {
  const media = new Media({ ffmpeg: { ffmpeg: "ffmpeg", ffprobe: "ffprobe" } });
  const { prompt, card } = await loadPrompt(folder, media);
  const body = JSON.parse(Deno.readTextFileSync(file));
  const request = parseChatRequest(body, {
    id: body.model ?? "",
    card,
    vocabulary: Number.MAX_SAFE_INTEGER,
  });
  const messages = await readMessages(request.messages, {
    wishes: request.media,
    modalities: card.modalities,
    tags: card.tags,
    prompt,
    decoder: media,
    limits: DEFAULT_LIMITS,
    media: { remote: new RemoteMedia([]), folder: null },
    signal: new AbortController().signal,
  });
  return await prompt.build(messages, request.prompt);
}

/** Rows by kernel, the dearest first. */
function table(rows: Timing[]): void {
  const sums = new Map<string, { ms: number; count: number }>();
  for (const r of rows) {
    const sum = sums.get(r.kernel) ?? { ms: 0, count: 0 };
    sum.ms += r.nanoseconds / 1e6;
    sum.count++;
    sums.set(r.kernel, sum);
  }
  const total = [...sums.values()].reduce((a, s) => a + s.ms, 0);
  for (const [kernel, { ms, count }] of [...sums].sort((a, b) => b[1].ms - a[1].ms)) {
    const share = (100 * ms / total).toFixed(1).padStart(5);
    console.log(
      `  ${kernel.padEnd(20)} ${ms.toFixed(2).padStart(9)} ms ${share} % ${
        String(count).padStart(6)
      } dispatches`,
    );
  }
  console.log(`  ${"all".padEnd(20)} ${total.toFixed(2).padStart(9)} ms`);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      model: { type: "string", default: new URL("../weights/demo", import.meta.url).pathname },
      tokens: { type: "string", default: "16" },
    },
    allowPositionals: true,
  });
  const tokens = Number(values.tokens);
  if (positionals.length !== 1 || !Number.isInteger(tokens) || tokens < 1) {
    console.error(USAGE);
    return 2;
  }
  const code = await setUp({ level: "run", fakeEngine: false });
  if (code !== 0) return code;
  for (const [key, value] of Object.entries(runtimeDir())) Deno.env.set(key, value);
  if (Deno.build.os === "linux" && !Deno.env.get("DENO_WEBGPU_BACKEND")) {
    Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  }
  const prompt = await buildPrompt(values.model, positionals[0]);
  const model = await loadModel(values.model, { maxSequences: 1 });
  if (!(model instanceof Valley3Model)) throw new Error("Cannot profile this family");
  const { runtime } = model;
  console.log(
    `${model.info.device}; weights and cache in ${runtime.profile.memory}s; ${prompt.ids.length} prompt tokens`,
  );
  await greedy(model, prompt, 2);
  for (
    const [name, count] of [["media and prefill", 1], [
      `media, prefill and ${tokens} tokens`,
      tokens + 1,
    ]] as const
  ) {
    const start = performance.now();
    await greedy(model, prompt, count);
    const plain = performance.now() - start;
    console.log(`\n${name}: ${plain.toFixed(1)} ms by the clock`);
    if (!runtime.gpu.has.timestamps) {
      console.log("  no times by kernel: this adapter has no timestamp-query");
      continue;
    }
    runtime.startTiming();
    await greedy(model, prompt, count);
    table(await runtime.stopTiming());
  }
  model.destroy();
  return 0;
}

if (import.meta.main) Deno.exit(await main());
