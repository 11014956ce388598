/** The whole server on the fake engine, on a free port, with its Worker. */

import type { BatchWorker } from "../../src/batch/batch_worker.ts";
import { EngineClient } from "../../src/engine/client.ts";
import { DEFAULT_ENGINE_OPTIONS, type EngineOptions } from "../../src/engine/engine.ts";
import type { FakeOptions } from "../../src/engine/fake/model.ts";
import { FAKE_CARD, FakePrompt } from "../../src/engine/fake/prompt.ts";
import type { EngineStats } from "../../src/engine/generation.ts";
import type { LoadRequest } from "../../src/engine/protocol.ts";
import type { ModelCard, PromptBuilder } from "../../src/families/family.ts";
import type { Keys } from "../../src/server/auth.ts";
import { createApp } from "../../src/server/app.ts";
import type { AppContext } from "../../src/server/app_context.ts";
import type { MediaDecoder } from "../../src/server/content.ts";
import { EngineWatch } from "../../src/server/engine_watch.ts";
import { DEFAULT_HTTP, type HttpOptions, listen } from "../../src/server/http_server.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/server/limits.ts";
import { jsonLog } from "../../src/server/log.ts";
import type { McpTools } from "../../src/server/mcp_tools.ts";
import { Metrics } from "../../src/server/metrics.ts";
import type { MediaAccess } from "../../src/server/fetch_media.ts";
import { RemoteMedia } from "../../src/server/remote_media.ts";
import { PromptError } from "../../src/families/family.ts";

export interface TestServer {
  url: string;
  port: number;
  engine: EngineClient;
  context: AppContext;
  /** Lines of the log. */
  log: string[];
  setClosing(closing: "no" | "soon" | "now"): void;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  chat(body: Record<string, unknown>, init?: RequestInit): Promise<Response>;
  /** Waits until nothing is in the engine, then tells its counters. */
  idle(): Promise<EngineStats>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  model?: FakeOptions;
  engine?: Partial<EngineOptions>;
  limits?: Partial<Limits>;
  http?: Partial<HttpOptions>;
  card?: Partial<ModelCard>;
  decoder?: MediaDecoder;
  media?: MediaAccess;
  cors?: string[];
  mcp?: McpTools;
  batches?: BatchWorker;
  /** Another engine than the fake. */
  other?: {
    url: URL;
    request: Pick<LoadRequest, "engine" | "folder" | "model">;
    prompt: PromptBuilder;
    card: ModelCard;
  };
  saved?: { path: string; fingerprint: string };
  keys?: Keys;
  hosts?: string[];
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const log: string[] = [];
  const engine = new EngineClient(options.other?.url ?? new URL("../../src/worker.ts", import.meta.url), {
    engine: "fake",
    folder: "",
    saved: options.saved ?? null,
    options: { ...DEFAULT_ENGINE_OPTIONS, ...options.engine },
    model: { stepMs: 0.2, promptTokenMs: 0.001, ...options.model },
    ...options.other?.request,
  }, (message) => log.push(message));
  const watch = new EngineWatch(engine);
  let closing: "no" | "soon" | "now" = "no";
  const context: AppContext = {
    engine,
    prompt: options.other?.prompt ?? new FakePrompt(),
    decoder: options.decoder ?? TOY_DECODER,
    cors: options.cors ?? [],
    mcp: options.mcp,
    batches: options.batches,
    media: options.media ?? { remote: new RemoteMedia([]), folder: null },
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    log: jsonLog((line) => log.push(line)),
    metrics: new Metrics(),
    watch,
    keys: options.keys ?? null,
    hosts: options.hosts ?? null,
    openStatus: false,
    served: () => ({
      id: "valley3-demo",
      card: options.other?.card ?? { ...FAKE_CARD, ...options.card },
      vocabulary: engine.info?.vocabSize ?? 0,
    }),
    closing: () => closing,
  };
  const app = createApp(context);
  const http = { ...DEFAULT_HTTP, port: 0, ...options.http };
  const server = await listen(http, (request) => app.fetch(request), (error) => log.push(`failed: ${error}`));
  await engine.ready;
  const url = `http://127.0.0.1:${server.port}`;
  const post = (path: string, body: unknown, init: RequestInit = {}) =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
    });
  return {
    url,
    port: server.port,
    engine,
    context,
    log,
    setClosing: (value) => closing = value,
    post,
    chat: (body, init) => post("/v1/chat/completions", body, init),
    async idle() {
      for (;;) {
        const stats = (await engine.stats())!;
        if (engine.active === 0 && stats.waiting + stats.running + stats.draining === 0) return stats;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async close() {
      watch.close();
      engine.close();
      server.destroy();
      await server.close();
    },
  };
}

/** Media in a form that tests write by hand: `WIDTHxHEIGHT`, `SECONDSs`, and `FRAMESf` with a `+s` for sound. */
export const TOY_DECODER: MediaDecoder = {
  decodeImage(bytes) {
    const match = /^(\d+)x(\d+)$/.exec(new TextDecoder().decode(bytes));
    if (match === null) {
      return Promise.reject(new PromptError("The picture can't be read", "unsupported_image"));
    }
    return Promise.resolve({ width: Number(match[1]), height: Number(match[2]), rgb: bytes });
  },
  decodeAudio(bytes) {
    const match = /^(\d+)s$/.exec(new TextDecoder().decode(bytes));
    if (match === null) {
      return Promise.reject(new PromptError("The sound can't be read", "unsupported_audio"));
    }
    return Promise.resolve({ sampleRate: 100, samples: new Float32Array(100 * Number(match[1])) });
  },
  decodeVideo(bytes, plan, audio) {
    const match = /^(\d+)f(\+s)?$/.exec(new TextDecoder().decode(bytes));
    if (match === null) {
      return Promise.reject(new PromptError("The video can't be read", "unsupported_video"));
    }
    if (audio === "required" && !match[2]) {
      return Promise.reject(new PromptError("The video has no soundtrack", "video_has_no_audio"));
    }
    const frame = { width: 64, height: 64, rgb: bytes };
    const frames = new Array(Math.min(Number(match[1]), plan.maxFrames)).fill(frame);
    const sound = match[2] && audio !== "none" ? { sampleRate: 100, samples: new Float32Array(200) } : null;
    return Promise.resolve({ frames, fps: plan.fps, audio: sound, fitted: true });
  },
};

/** A data URL in the toy decoder's form. */
export function dataUrl(text: string, mime = "image/png"): string {
  return `data:${mime};base64,${btoa(text)}`;
}

export interface Chunk {
  id: string;
  object: string;
  model: string;
  choices: {
    index: number;
    delta: {
      role?: string;
      content?: string;
      reasoning?: string;
      reasoning_content?: string;
      tool_calls?: {
        index: number;
        id: string;
        type: string;
        function: { name: string; arguments: string };
      }[];
    };
    finish_reason: string | null;
  }[];
  usage?: Record<string, unknown> | null;
  error?: { message: string; type: string; code: string };
}

/** Events of a stream until it ends; `done`: it ended with [DONE]. */
export async function readStream(
  response: Response,
): Promise<{ chunks: Chunk[]; done: boolean; comments: number }> {
  const text = await response.text();
  const lines = text.split("\n\n").filter((line) => line !== "");
  const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
  return {
    chunks: data.filter((line) => line !== "[DONE]").map((line) => JSON.parse(line)),
    done: data.at(-1) === "[DONE]",
    comments: lines.filter((line) => line.startsWith(": ")).length,
  };
}

export function contentOf(chunks: Chunk[], index = 0): string {
  return chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index)
    .map(({ delta }) => delta.content ?? "").join("");
}

export function user(text: string, ...parts: unknown[]): Record<string, unknown> {
  return { role: "user", content: parts.length === 0 ? text : [...parts, { type: "text", text }] };
}
