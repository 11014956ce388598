/** A server as its own process, as a user runs it, and what can be seen of it from outside. */

import { resolve } from "node:path";
import { sleep } from "./campaign.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "../..");

export interface ServerProcess {
  url: string;
  port: number;
  pid: number;
  /** What it wrote to stderr so far. */
  log(): string;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** Resident memory, bytes (Linux). */
  memory(): number;
  /** Open files (Linux). */
  files(): number;
  signal(signal: Deno.Signal): void;
  ended: Promise<number>;
  stop(): Promise<number>;
}

/** `files`: limit on open files. Rejects when it does not get ready. */
export async function startProcess(
  args: string[],
  { files = 4096, flags = ["-A"], env = {} }: {
    files?: number;
    flags?: string[];
    env?: Record<string, string>;
  } = {},
): Promise<ServerProcess> {
  const command = [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-check",
    ...flags,
    "main.ts",
    "serve",
    "--port",
    "0",
    ...args,
  ];
  const child = new Deno.Command("bash", {
    args: ["-c", `ulimit -n ${files}; exec "$@"`, "bash", ...command],
    cwd: PROJECT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let out = "", err = "";
  const reading = [read(child.stdout, (text) => out += text), read(child.stderr, (text) => err += text)];
  const ended = child.status.then(async ({ code }) => (await Promise.all(reading), code));
  let over = false;
  void ended.then(() => over = true);
  let url: string | undefined;
  for (let i = 0; i < 4800 && url === undefined && !over; i++) {
    await sleep(25);
    url = /ready on (http\S+)/.exec(out)?.[1];
  }
  if (url === undefined) {
    if (!over) child.kill("SIGKILL");
    throw new Error(`The server did not get ready: ${out}${err}`);
  }
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid,
    log: () => err,
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: typeof body === "string" || body instanceof Uint8Array
          ? body as BodyInit
          : JSON.stringify(body),
        ...init,
      }),
    memory: () =>
      Number(/VmRSS:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`))?.[1]) * 1024,
    files: () => [...Deno.readDirSync(`/proc/${child.pid}/fd`)].length,
    signal: (signal) => child.kill(signal),
    ended,
    async stop() {
      if (!over) child.kill("SIGTERM");
      return await ended;
    },
  };
}

async function read(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  add: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
}

/** The fake engine at full speed, ending at once when told. */
export const FAKE = ["--engine", "fake", "--drain-grace", "0", "--drain-timeout", "2"];

/** Waits until nothing is in the engine; the counters then. */
export async function idle(server: ServerProcess, withinMs = 5000): Promise<Record<string, number>> {
  const until = performance.now() + withinMs;
  for (;;) {
    const loads = await fetch(`${server.url}/v1/loads`).then((response) => response.json());
    const [load] = loads.loads ?? [loads];
    if ((load.num_running_reqs ?? 0) + (load.num_waiting_reqs ?? 0) === 0 || performance.now() > until) {
      return load;
    }
    await sleep(100);
  }
}

/** Latencies of `/health`, asked for every so often until `stop`. */
export function watchHealth(url: string, everyMs: number): { stop(): Promise<number[]> } {
  const times: number[] = [];
  let going = true;
  const running = (async () => {
    while (going) {
      const before = performance.now();
      try {
        await fetch(`${url}/health`).then((response) => response.body?.cancel());
        times.push(performance.now() - before);
      } catch {
        times.push(Infinity);
      }
      await sleep(everyMs);
    }
  })();
  return {
    async stop() {
      going = false;
      await running;
      return times;
    },
  };
}
