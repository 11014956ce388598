/** `batch`: a file of requests answered over night, each line once. */
import { parseArgs } from "node:util";
import { overHttp, runBatch } from "../batch/batch_run.ts";
import { durationText } from "../weights/progress.ts";
import type { Terminal } from "./convert.ts";
import type { Env } from "./models_folder.ts";
import { UsageError } from "./options.ts";

export const BATCH_USAGE =
  `valley batch IN.jsonl OUT.jsonl [--url URL,…] [--parallel N] [--errors FILE] [--key KEY]

Sends every request of IN.jsonl (OpenAI's batch format: custom_id, url, body a line) to running servers and writes one
line each to OUT.jsonl, or to the error file what the server refuses. Requests with the same beginning go together, so
that the prefix cache serves them. Cut off at any moment, the same command goes on: every line is answered once.

  --url URL,…     servers (default: http://127.0.0.1:8000); one that fails is passed over
  --parallel N    requests under way at a time (default: 8 a server)
  --errors FILE   default: OUT.jsonl.errors
  --key KEY       also VALLEY_KEY

OUT.jsonl.index is the batch's index; it may be deleted when all is done.

Examples:
  valley batch listings.jsonl answers.jsonl
  valley batch listings.jsonl answers.jsonl --url http://gpu1:8000,http://gpu2:8000 --parallel 64`;

const FLAGS = {
  url: { type: "string", default: "http://127.0.0.1:8000" },
  parallel: { type: "string" },
  errors: { type: "string" },
  key: { type: "string" },
  help: { type: "boolean" },
} as const;

/** Milliseconds between two lines of progress. */
const ON_TERMINAL = 200, ELSEWHERE = 5000;

/** @returns exit code: 0, or 1 if some requests failed. Throws UsageError, and Error saying what stands in the way. */
export async function batchCommand(args: string[], env: Env, terminal: Terminal): Promise<number> {
  const { values, positionals } = parsed(args);
  if (values.help) {
    terminal.write(`${BATCH_USAGE}\n`);
    return 0;
  }
  if (positionals.length !== 2) throw new UsageError(BATCH_USAGE);
  const [input, output] = positionals;
  const urls = values.url.split(",").map((url) => url.trim().replace(/\/$/, "")).filter((url) => url !== "");
  if (urls.length === 0 || !urls.every((url) => /^https?:\/\/[^/]/.test(url))) {
    throw new UsageError("--url must be addresses as http://127.0.0.1:8000, with commas between them");
  }
  const parallel = Number(values.parallel ?? 8 * urls.length);
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > 4096) {
    throw new UsageError("--parallel must be 1 to 4096");
  }
  const started = performance.now();
  let told = -Infinity, before: number | null = null;
  const onProgress = (done: number, lines: number) => {
    before ??= done;
    const now = performance.now();
    if (now - told < (terminal.isTerminal ? ON_TERMINAL : ELSEWHERE)) return;
    told = now;
    const rate = (done - before) / ((now - started) / 1000);
    const left = rate > 0 ? `, ${rate.toFixed(1)}/s, ${durationText((lines - done) / rate)} left` : "";
    const line = `${done} of ${lines} lines${left}`;
    terminal.write(terminal.isTerminal ? `\r${line.padEnd(60)}` : `${line}\n`);
  };
  const result = await runBatch({
    input,
    output,
    errors: values.errors ?? `${output}.errors`,
    send: overHttp(urls, values.key ?? env.VALLEY_KEY ?? null),
    parallel,
    onProgress,
  });
  const failed = result.failed === 0
    ? ""
    : `, ${result.failed} failed (${values.errors ?? `${output}.errors`})`;
  const end = `${output}: ${result.answered} of ${result.lines} lines answered${failed}`;
  terminal.write(`${terminal.isTerminal ? "\r" : ""}${end.padEnd(60)}\n`);
  return result.failed === 0 ? 0 : 1;
}

function parsed(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${BATCH_USAGE}`);
  }
}
