/** `batch`: a file of requests answered over night, each line once. */
import { overHttp, runBatch } from "../batch/batch_run.ts";
import { parseCommand, type Terminal, withProgress } from "./command.ts";
import { commaList, type Env, UsageError } from "./options.ts";

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

/** Answers take long and come in bursts: the rate looks back ten minutes. */
const WINDOW = 600_000;

/** @returns exit code: 0, or 1 if some requests failed. Throws UsageError, and Error saying what stands in the way. */
export async function batchCommand(args: string[], env: Env, terminal: Terminal): Promise<number> {
  const parsed = parseCommand(args, { flags: FLAGS, words: 2, usage: BATCH_USAGE }, terminal);
  if (parsed === null) return 0;
  const { values, positionals: [input, output] } = parsed;
  const urls = commaList(values.url).map((url) => url.replace(/\/$/, ""));
  if (urls.length === 0 || !urls.every((url) => /^https?:\/\/[^/]/.test(url))) {
    throw new UsageError("--url must be addresses as http://127.0.0.1:8000, with commas between them");
  }
  const parallel = Number(values.parallel ?? 8 * urls.length);
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > 4096) {
    throw new UsageError("--parallel must be 1 to 4096");
  }
  const errors = values.errors ?? `${output}.errors`;
  const send = overHttp(urls, values.key ?? env.VALLEY_KEY ?? null);
  const { failed } = await withProgress(
    { verb: "answering", unit: "lines", window: WINDOW },
    terminal,
    (onProgress) => runBatch({ input, output, errors, send, parallel, onProgress }),
    ({ answered, lines, failed }) =>
      `${output}: ${answered} of ${lines} lines answered${
        failed === 0 ? "" : `, ${failed} failed (${errors})`
      }`,
  );
  return failed === 0 ? 0 : 1;
}
