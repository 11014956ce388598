/** Servers that save their prefix cache when they end, and what restored caches answer. */

import type { Tally } from "./campaign.ts";
import { type ServerProcess, startProcess } from "./server_process.ts";

/** An engine, and how its answers are asked for. */
export interface Served {
  name: string;
  args: string[];
  env?: Record<string, string>;
  /** Rounds of the same words in a prompt. */
  repeats: number;
}

/** A prompt computed in other pieces is added up in another order: log-probabilities differ by so much at most. */
const ROUNDING = 1e-3;

const ENDS_AT_ONCE = ["--drain-grace", "0", "--drain-timeout", "2"];

/** Every id depends on all that is in the cache. */
export const HASH_ENGINE: Served = {
  name: "fake engine whose ids depend on every cached row",
  args: ["--engine", "fake", "--engine-options", '{"answers":"hash","stepMs":0.1}', ...ENDS_AT_ONCE],
  repeats: 2,
};

export const DEMO_MODEL: Served = {
  name: "demo model on lavapipe",
  args: ENDS_AT_ONCE,
  env: { DENO_WEBGPU_BACKEND: "vulkan" },
  repeats: 5,
};

/** What a request gave, and how much of it the cache had. */
export interface Answer {
  /** Text, tokens and how it ended. */
  said: string;
  /** Of each token. */
  logprobs: number[];
  promptTokens: number;
  cachedTokens: number;
}

/** Prompts that were asked before the saved cache, and those that came after it; the first words are shared. */
export function prompts(repeats: number): { old: string[]; young: string[] } {
  const common = "The listing shows a red kettle with a blue lid. ".repeat(repeats);
  const make = (kind: string) =>
    [1, 2, 3].map((i) => common + `${kind} ${i}: what colour is it? `.repeat(repeats));
  return { old: make("before"), young: make("after") };
}

export async function ask(server: ServerProcess, content: string): Promise<Answer> {
  const body = { messages: [{ role: "user", content }], max_tokens: 12, temperature: 0, logprobs: true };
  const response = await server.post("/v1/chat/completions", body);
  const answer = await response.json();
  if (response.status !== 200) throw new Error(`status ${response.status}: ${JSON.stringify(answer)}`);
  const [{ message, logprobs, finish_reason }] = answer.choices;
  const tokens: { token: string; bytes: number[]; logprob: number }[] = logprobs.content;
  return {
    said: JSON.stringify([message.content, tokens.map(({ token, bytes }) => [token, bytes]), finish_reason]),
    logprobs: tokens.map(({ logprob }) => logprob),
    promptTokens: answer.usage.prompt_tokens,
    cachedTokens: answer.usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

/** Answers of a server that has no prefix cache. */
export async function coldAnswers({ args, env, repeats }: Served): Promise<Map<string, Answer>> {
  const server = await startProcess([...args, "--no-prefix-cache"], { env });
  try {
    const { old, young } = prompts(repeats);
    const answers = new Map<string, Answer>();
    for (const content of [...old, ...young]) {
      const answer = await ask(server, content);
      if (answer.cachedTokens !== 0) throw new Error("the cold server has a cache");
      answers.set(content, answer);
    }
    return answers;
  } finally {
    await server.stop();
  }
}

export function start({ args, env }: Served, state: string): Promise<ServerProcess> {
  return startProcess([...args, "--state", state], { env });
}

/** Blocks that a server said it has restored or saved. */
export function blocksSaid(log: string, what: "restored" | "saved"): number {
  for (const line of log.split("\n")) {
    if (!line.startsWith("{")) continue;
    const entry = JSON.parse(line);
    if (entry.event === what) return entry.blocks;
  }
  return 0;
}

export interface Restored {
  blocks: number;
  /** Prompt tokens that the cache gave to each prompt. */
  cached: Map<string, number>;
}

/** Starts on a saved cache and asks everything; what is wrong goes into `missed`. */
export async function checkRestored(
  served: Served,
  state: string,
  cold: ReadonlyMap<string, Answer>,
  missed: Tally,
): Promise<Restored> {
  const server = await start(served, state);
  const cached = new Map<string, number>();
  try {
    for (const [content, { said, logprobs }] of cold) {
      const answer = await ask(server, content);
      const near = answer.logprobs.every((value, i) => Math.abs(value - logprobs[i]) < ROUNDING);
      if (answer.said !== said || !near) missed.add("an answer after the restart is not the cold one");
      if (answer.cachedTokens >= answer.promptTokens) missed.add("more cached tokens than can be");
      cached.set(content, answer.cachedTokens);
    }
  } finally {
    await server.stop();
  }
  return { blocks: blocksSaid(server.log(), "restored"), cached };
}

/** Files of the cache in a state folder; more than one: something was left over. */
export function cacheFiles(state: string): string[] {
  return [...Deno.readDirSync(state)].map(({ name }) => name).filter((name) =>
    name.startsWith("cache.valleykv")
  );
}
