/** `serve`: loads a model and answers over HTTP until a signal ends it. */

import { createHash } from "node:crypto";
import { DEFAULT_ENGINE_OPTIONS } from "../engine/engine.ts";
import { EngineClient } from "../engine/client.ts";
import { FAKE_CARD, FakePrompt } from "../engine/fake/prompt.ts";
import type { ModelCard, PromptBuilder } from "../families/family.ts";
import { loadPrompt } from "../families/registry_prompt.ts";
import { Media } from "../prompt/media.ts";
import { LOOPBACK_HOSTS } from "../server/auth.ts";
import { BatchStore } from "../batch/batch_store.ts";
import { BatchWorker } from "../batch/batch_worker.ts";
import { createApp } from "../server/app.ts";
import type { AppContext } from "../server/app_context.ts";
import { batchHost } from "../server/batch_answer.ts";
import { EngineWatch } from "../server/engine_watch.ts";
import { DEFAULT_HTTP, listen } from "../server/http_server.ts";
import { DEFAULT_LIMITS } from "../server/limits.ts";
import { jsonLog, type Log } from "../server/log.ts";
import type { McpTools } from "../server/mcp_tools.ts";
import { Metrics } from "../server/metrics.ts";
import { RemoteMedia } from "../server/remote_media.ts";
import { watchKeys } from "./key_file.ts";
import { LineWriter } from "./line_writer.ts";
import { type ServeOptions, UsageError } from "./options.ts";

export interface ServeContext {
  /** Commands for video files, if there are any. */
  ffmpeg: { ffmpeg: string; ffprobe: string } | null;
  /** The model's name where neither options nor its folder give one. */
  defaultName: string;
  print(line: string): void;
}

const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

/** Runs until the server has ended; resolves with the exit code. Throws UsageError, and Error if it can't start. */
export async function serve(
  options: ServeOptions,
  { ffmpeg, defaultName, print }: ServeContext,
): Promise<number> {
  if (!LOOPBACK.has(options.host) && options.apiKeys === null && !options.insecure) {
    throw new UsageError(
      `Cannot listen on ${options.host} without keys: give --api-keys FILE, or --insecure if everybody may use it`,
    );
  }
  const keys = options.apiKeys === null ? null : watchKeys(options.apiKeys);
  const signals = listenForSignals();
  const lines = new LineWriter(Deno.stderr, (lost) => {
    let line = "";
    jsonLog((text) => line = text).warn("log lines lost", { lines: lost });
    return line;
  });
  const log = jsonLog((line) => lines.write(line));
  keys?.onProblem((message) => log.warn("keys", { message }));
  const failure = Promise.withResolvers<"failure">();
  // A promise that nobody waited for: what it left behind is not known. Answers under way are finished.
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    log.error("unhandled", {
      cause: event.reason instanceof Error ? event.reason.stack : String(event.reason),
    });
    failure.resolve("failure");
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  const started = performance.now();
  const media = new Media({ ffmpeg });
  const { prompt, card } = await promptSide(options, media);
  const name = options.modelName ?? defaultName;
  const engine = new EngineClient(
    new URL("../worker.ts", import.meta.url),
    {
      engine: options.engine,
      folder: options.model,
      options: {
        ...DEFAULT_ENGINE_OPTIONS,
        maxWaiting: options.maxWaiting,
        prefixCache: options.prefixCache,
        speculate: options.speculate,
      },
      model: {
        batchInvariant: options.batchInvariant,
        ...(options.verify === null ? {} : { verify: options.verify }),
        ...(options.kvCacheDtype === null ? {} : { kvPrecision: options.kvCacheDtype }),
        ...(options.state === null ? {} : { profileFile: `${options.state}/kernels.json` }),
        ...options.engineOptions,
      },
      saved: options.state === null
        ? null
        : { path: `${options.state}/cache.valleykv`, fingerprint: fingerprintOf(options) },
    },
    (message) => log.warn("engine", { message }),
  );
  const mcp = options.mcp === null ? null : await connectMcp(options.mcp);
  const watch = new EngineWatch(engine);
  let closing: "no" | "soon" | "now" = "no";
  const context: AppContext = {
    engine,
    prompt,
    decoder: media,
    limits: DEFAULT_LIMITS,
    media: { remote: new RemoteMedia(options.allowMediaHosts), folder: options.allowMediaFolder },
    cors: options.cors,
    ...(mcp === null ? {} : { mcp }),
    log,
    metrics: new Metrics(),
    watch,
    keys: keys?.keys ?? null,
    hosts: LOOPBACK.has(options.host) ? [...LOOPBACK_HOSTS, ...options.allowHosts] : null,
    openStatus: options.openStatus,
    served: () => ({ id: name, card, vocabulary: engine.info?.vocabSize ?? 0 }),
    closing: () => closing,
  };
  if (options.state !== null) {
    const report = (error: unknown) => log.error("batch", { cause: String(error) });
    const store = new BatchStore(`${options.state}/batches`);
    context.batches = new BatchWorker(store, batchHost(context, report));
  }
  const app = createApp(context);
  const tls = options.tls && {
    cert: Deno.readTextFileSync(options.tls.cert),
    key: Deno.readTextFileSync(options.tls.key),
  };
  const http = { ...DEFAULT_HTTP, host: options.host, port: options.port, tls };
  const server = await listen(
    http,
    (request) => app.fetch(request),
    (error) => log.error("http", { cause: String(error) }),
  );
  try {
    await Promise.race([engine.ready, signals.first, failure.promise]);
    if (engine.state === "ready") {
      context.batches?.wake();
      const { blocks, media: kept } = engine.restored;
      if (blocks + kept > 0) log.info("restored", { blocks, media: kept });
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const host = options.host.includes(":") ? `[${options.host}]` : options.host;
      print(
        `${name} ready on ${tls ? "https" : "http"}://${host}:${server.port} (${
          engine.info!.device
        }, ${seconds} s)`,
      );
    }
    const signal = await Promise.race([signals.first, failure.promise]);
    closing = "soon";
    log.info("closing", { signal });
    const grace = signal !== "SIGTERM" || engine.state !== "ready" ? 0 : options.drainGrace;
    await Promise.race([sleep(grace), signals.second]);
    closing = "now";
    await Promise.race([server.close(), sleep(options.drainTimeout), signals.second]);
    return signal === "failure" ? 70 : 0;
  } finally {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    await context.batches?.close();
    if (engine.state === "ready") await saveCaches(engine, log);
    engine.close(); // what still runs ends in-band
    await Promise.race([server.close(), sleep(0.5)]);
    server.destroy();
    watch.close();
    await mcp?.close();
    media.close();
    keys?.close();
    signals.close();
    await lines.end(1000);
  }
}

async function promptSide(
  options: ServeOptions,
  media: Media,
): Promise<{ prompt: PromptBuilder; card: ModelCard }> {
  if (options.engine === "fake") return { prompt: new FakePrompt(), card: FAKE_CARD };
  return await loadPrompt(options.model, media, options.promptOptions);
}

const SAVE_MS = 10_000;

/** What still runs goes on meanwhile. */
async function saveCaches(engine: EngineClient, log: Log): Promise<void> {
  const saved = await engine.save(SAVE_MS);
  if (saved?.problem) log.warn("not saved", { problem: saved.problem });
  else if (saved !== null) log.info("saved", { blocks: saved.counts.blocks, media: saved.counts.media });
}

/** The SDK is loaded only where it is used. Rejects naming what can't be had. */
async function connectMcp(path: string): Promise<McpTools> {
  const { McpTools } = await import("../server/mcp_tools.ts");
  return await McpTools.connect(JSON.parse(Deno.readTextFileSync(path)));
}

/** Changes with the weights and with how they are loaded. */
function fingerprintOf(
  { engine, model, kvCacheDtype, batchInvariant, engineOptions }: ServeOptions,
): string {
  const choices = [engine, kvCacheDtype, batchInvariant, engineOptions];
  const hash = createHash("sha256").update(JSON.stringify(choices));
  if (engine === "fake") return hash.digest("hex");
  for (const { name } of [...Deno.readDirSync(model)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const { size, mtime, isFile } = Deno.statSync(`${model}/${name}`);
    if (!isFile) continue;
    hash.update(`${name}:${size};`);
    if (name.endsWith(".json")) hash.update(Deno.readFileSync(`${model}/${name}`));
    else hash.update(String(mtime?.getTime() ?? 0));
  }
  return hash.digest("hex");
}

/** One Ctrl-C arrives several times: from the terminal, from `deno task`, from the launcher. */
const REPEAT_MS = 1000;

/** SIGTERM and SIGINT, heard from now on. */
function listenForSignals() {
  const first = Promise.withResolvers<Deno.Signal>(), second = Promise.withResolvers<void>();
  let count = 0, last = -Infinity;
  const heard = (["SIGTERM", "SIGINT"] as const).map((signal) => {
    const on = () => {
      if (performance.now() - last < REPEAT_MS) return;
      last = performance.now();
      return ++count === 1 ? first.resolve(signal) : second.resolve();
    };
    Deno.addSignalListener(signal, on);
    return () => Deno.removeSignalListener(signal, on);
  });
  return { first: first.promise, second: second.promise, close: () => heard.forEach((off) => off()) };
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    Deno.unrefTimer(timer as unknown as number);
  });
}
