/** `chat`: a conversation in the terminal with a server that runs; one question and its answer in a pipe. */

import { basename } from "node:path";
import { createInterface } from "node:readline";
import process from "node:process";
import { parseArgs } from "node:util";
import { streamAnswer } from "./chat_client.ts";
import { UsageError } from "./options.ts";

export const CHAT_HELP =
  `/image, /audio, /video PATH   attach a file to the next question (or type its path in the line)
/effort LEVEL                 none, minimal, medium or high
/system TEXT                  how the model should answer
/clear                        begin anew
/stats                        what the last answer took
/quit                         leave (Ctrl-C stops an answer first)`;

const FLAGS = {
  url: { type: "string", default: "http://127.0.0.1:8000" },
  model: { type: "string" },
  effort: { type: "string" },
  key: { type: "string" },
} as const;

const ENDINGS: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  bmp: "image/bmp",
  wav: "audio/wav",
  mp3: "audio/mpeg",
  flac: "audio/flac",
  ogg: "audio/ogg",
  opus: "audio/ogg",
  m4a: "audio/mp4",
  mp4: "video/mp4",
  webm: "video/webm",
  mov: "video/quicktime",
  mkv: "video/x-matroska",
  avi: "video/x-msvideo",
};

type Part = Record<string, unknown>;

/** Resolves with the exit code: 0, or 1 if the answer failed. Throws UsageError. */
export async function chat(args: string[]): Promise<number> {
  let options;
  try {
    options = parseArgs({ args, options: FLAGS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const session = new Session(options.url!.replace(/\/$/, ""), options.key ?? null, {
    ...(options.model ? { model: options.model } : {}),
    ...(options.effort ? { reasoning_effort: options.effort } : {}),
  });
  if (!Deno.stdin.isTerminal()) {
    const text = (await new Response(Deno.stdin.readable).text()).trim();
    if (text === "") throw new UsageError("There is no question on standard input");
    return await session.ask(text) ? 0 : 1;
  }
  console.log("/help tells what can be typed here.");
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: "\n> " });
  let stopped = 0;
  lines.on("SIGINT", () => {
    if (Date.now() - stopped < 300) return; // `deno task` sends a Ctrl-C twice
    stopped = Date.now();
    if (!session.stop()) lines.close();
  });
  lines.prompt();
  for await (const line of lines) {
    if (/^\/(quit|exit)\b/.test(line)) break;
    if (line.trim() !== "") await session.take(line.trim());
    lines.prompt();
  }
  lines.close();
  return 0;
}

/** The conversation and what is attached to its next question. */
class Session {
  #messages: Part[] = [];
  #attached: Part[] = [];
  #system = "";
  #stats = "Nothing was answered yet.";
  #running: AbortController | null = null;

  constructor(readonly url: string, readonly key: string | null, readonly wishes: Record<string, unknown>) {}

  /** False: nothing was under way. */
  stop(): boolean {
    this.#running?.abort();
    return this.#running !== null;
  }

  async take(line: string): Promise<void> {
    const [, command, rest] = /^\/(\w+)(?:\s+([\s\S]*))?$/.exec(line) ?? [];
    switch (command) {
      case undefined:
        await this.ask(line);
        return;
      case "image":
      case "audio":
      case "video":
        this.#attach(rest ?? "");
        return;
      case "effort":
        this.wishes.reasoning_effort = rest;
        return;
      case "system":
        this.#system = rest ?? "";
        return;
      case "clear":
        this.#messages = [];
        this.#attached = [];
        return;
      case "stats":
        console.log(this.#stats);
        return;
      default:
        console.log(CHAT_HELP);
    }
  }

  /** One question; whether it was answered. `/image PATH` may stand in lines of its own before it. */
  async ask(given: string): Promise<boolean> {
    const text = given.split("\n").filter((line) => !this.#takesFile(line)).join("\n").trim();
    const parts = this.#attached;
    this.#attached = [];
    const content = parts.length === 0 ? text : [...parts, ...(text ? [{ type: "text", text }] : [])];
    const before = this.#messages.length;
    this.#messages.push({ role: "user", content });
    this.#running = new AbortController();
    try {
      const system = this.#system ? [{ role: "system", content: this.#system }] : [];
      const body = { ...this.wishes, messages: [...system, ...this.#messages] };
      const { content: answer, stats } = await streamAnswer(this, body, this.#running.signal);
      this.#messages.push({ role: "assistant", content: answer });
      this.#stats = stats;
      return true;
    } catch (error) {
      this.#messages.length = before;
      if (this.#running.signal.aborted) console.error("\nStopped.");
      else console.error(error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      this.#running = null;
    }
  }

  /** `/image PATH`, or nothing but the path of a medium: a file dropped into the terminal. */
  #takesFile(line: string): boolean {
    const path = /^\/(?:image|audio|video)\s+(.+)$/.exec(line)?.[1] ?? line;
    if (path === line && typeOf(clean(line)) === null) return false;
    return this.#attach(path);
  }

  #attach(given: string): boolean {
    const path = clean(given), type = typeOf(path);
    try {
      if (type === null) throw new Error("it is not a picture, a sound or a video");
      const url = `data:${type};base64,${Deno.readFileSync(path).toBase64()}`;
      const field = `${type.split("/")[0]}_url`;
      this.#attached.push({ type: field, [field]: { url } });
      console.error(`Attached ${basename(path)}`);
      return true;
    } catch (error) {
      console.error(`Cannot attach ${path}: ${error instanceof Error ? error.message : error}`);
      return false;
    }
  }
}

function clean(path: string): string {
  return path.trim().replace(/^(['"])(.*)\1$/, "$2").replaceAll("\\ ", " ");
}

function typeOf(path: string): string | null {
  return ENDINGS[/\.(\w+)$/.exec(path)?.[1].toLowerCase() ?? ""] ?? null;
}
