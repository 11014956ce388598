/** What a model folder says of thinking and sampling, and how the request rests on it. */

import { loadPrompt } from "../../src/families/registry_prompt.ts";
import { Media } from "../../src/prompt/media.ts";
import { parseChatRequest } from "../../src/server/chat_request.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const DEMO = new URL("../../weights/demo", import.meta.url).pathname;
const MESSAGES = [{ role: "user", content: "Hello" }];

/** The demo's prompt files with some changed; null leaves one out. */
async function withFolder<T>(
  changes: Record<string, unknown>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    for (const { name } of Deno.readDirSync(DEMO)) {
      if (!name.endsWith(".json") || name in changes) continue;
      await Deno.copyFile(`${DEMO}/${name}`, `${folder}/${name}`);
    }
    for (const [name, value] of Object.entries(changes)) {
      if (value !== null) await Deno.writeTextFile(`${folder}/${name}`, JSON.stringify(value));
    }
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function cardOf(folder: string) {
  const media = new Media();
  try {
    return (await loadPrompt(folder, media)).card;
  } finally {
    media.close();
  }
}

Deno.test("the manifest says whether a model thinks", async () => {
  const efforts = async (manifest: unknown) => {
    const card = await withFolder({ "manifest.json": manifest }, cardOf);
    const effort = (fields: Record<string, unknown>) =>
      parseChatRequest({ messages: MESSAGES, ...fields }, { id: "m", card, vocabulary: 1 }).prompt.effort;
    if (card.reasoning === "none") {
      await assertThrows(() => Promise.resolve(effort({ reasoning_effort: "low" })), /no reasoning effort/);
    }
    return [
      card.reasoning,
      effort({}),
      effort({ reasoning_effort: "none" }),
      card.reasoning === "none" ? null : effort({ reasoning_effort: "xhigh" }),
    ];
  };
  assertEquals(await efforts(null), ["none", null, null, null]);
  assertEquals(await efforts({ reasoning: "none" }), ["none", null, null, null]);
  assertEquals(await efforts({ reasoning: "optional" }), ["optional", null, null, "high"]);
  assertEquals(await efforts({ reasoning: "prompted" }), ["prompted", "medium", "minimal", "high"]);
  await assertThrows(() => efforts({ reasoning: "often" }), /manifest\.json: reasoning is none, optional or/);
});

Deno.test("generation_config gives the defaults of sampling, a request goes before it", async () => {
  const sampling = async (generation: unknown, fields: Record<string, unknown> = {}) => {
    const card = await withFolder({ "generation_config.json": generation }, cardOf);
    const served = { id: "m", card, vocabulary: 1000 };
    const { seed: _, ...rest } = parseChatRequest({ messages: MESSAGES, ...fields }, served).wishes.sampling;
    return rest;
  };
  const file = { do_sample: true, temperature: 0.7, top_p: 0.8, top_k: 20, repetition_penalty: 1.05 };
  const adjust = { repetitionPenalty: 1.05, frequencyPenalty: 0, presencePenalty: 0, bias: [] };
  assertEquals(await sampling({}), { temperature: 0, topP: 1, topK: 0, minP: 0 });
  assertEquals(await sampling(file), { temperature: 0.7, topP: 0.8, topK: 20, minP: 0, adjust });
  assertEquals(await sampling({ ...file, do_sample: false }), {
    temperature: 0,
    topP: 0.8,
    topK: 20,
    minP: 0,
    adjust,
  });
  assertEquals(await sampling(file, { temperature: 0, top_p: 1, top_k: -1, repetition_penalty: 1 }), {
    temperature: 0,
    topP: 1,
    topK: 0,
    minP: 0,
  });
  await assertThrows(() => sampling({ top_p: "high" }), /generation_config\.json: top_p is not a number/);
});
