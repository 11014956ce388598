/** Answers every line of a batch file once, from wherever `send` gets its answers. */
import { setTimeout as pause } from "node:timers/promises";
import { type BatchAnswer, type BatchRequest, parseLine } from "./batch_line.ts";
import { HeavyLineError } from "./heavy_line.ts";
import { onDisk } from "../common/disk_full.ts";
import { Turns } from "../common/turns.ts";
import { BatchIndex } from "./batch_index.ts";
import { readLine } from "./lines.ts";

export interface BatchOptions {
  input: string;
  output: string;
  errors: string;
  send: Send;
  /** Requests under way at a time. */
  parallel: number;
  signal?: AbortSignal;
  onProgress?: (done: number, lines: number) => void;
  /** Statuses of a server that lives and has no room: it is asked until it has. Others, 429 apart, are tried 12 times. */
  waitOut?: readonly number[];
  /** Milliseconds before a request that a server could not take is sent again; doubles up to a minute. */
  backoff?: number;
}

export interface Sent {
  status: number;
  requestId: string;
  /** Parsed; null: it was no JSON. */
  body: unknown;
  /** Seconds that the server asks to wait; 0: nothing was said. */
  retryAfter: number;
}

/** @param attempt which server is asked, where there are several. Rejects when it cannot be reached. */
export type Send = (
  url: string,
  body: Record<string, unknown>,
  attempt: number,
  signal: AbortSignal | undefined,
) => Promise<Sent>;

/** @param urls servers, e.g. http://127.0.0.1:8000 */
export const overHttp = (urls: string[], key: string | null): Send => async (url, body, attempt, signal) => {
  const headers = {
    "content-type": "application/json",
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
  };
  const target = urls[attempt % urls.length];
  return await sentOf(
    await fetch(target + url, { method: "POST", headers, body: JSON.stringify(body), signal }),
  );
};

export async function sentOf(reply: Response): Promise<Sent> {
  return {
    status: reply.status,
    requestId: reply.headers.get("x-request-id") ?? "",
    body: await reply.json().catch(() => null),
    retryAfter: Number(reply.headers.get("retry-after")) || 0,
  };
}

export interface BatchResult {
  lines: number;
  answered: number;
  failed: number;
}

/** Tries of a request that no server takes (no connection, 5xx). */
const TRIES = 12;

/**
 * Goes on behind an earlier run on the same files.
 * @throws Error naming the line or file that stands in the way
 */
export async function runBatch(options: BatchOptions): Promise<BatchResult> {
  const { input, output, errors, onProgress } = options;
  const index = await BatchIndex.open(input, `${output}.index`, options.signal);
  const open = (path: string) => Deno.openSync(path, { append: true, create: true });
  const files = { output: open(output), errors: open(errors) };
  try {
    // One process at a time on one output; ends with the process.
    if (!files.output.tryLockSync(true)) {
      throw new Error(`Cannot write ${output}: another process is at work on it; wait for it or end it`);
    }
    await index.forgetAnswers();
    const answered = await index.markAnswered(output), failed = await index.markAnswered(errors);
    const { lines } = index.counts();
    const source = Deno.openSync(input, { read: true });
    const result = { lines, answered, failed };
    onProgress?.(answered + failed, lines);
    try {
      const queue = index.open();
      const lane = async (first: number) => {
        for (const line of queue) {
          options.signal?.throwIfAborted();
          const answer = await answerOf(readLine(source, line.offset, line.length), first, options);
          if (answer.error === null) append(output, files.output, answer);
          else append(errors, files.errors, answer);
          if (answer.error === null) result.answered++;
          else result.failed++;
          onProgress?.(result.answered + result.failed, lines);
        }
      };
      const stop = new AbortController();
      const signal = AbortSignal.any([...(options.signal ? [options.signal] : []), stop.signal]);
      options = { ...options, signal };
      const lanes = Array.from({ length: options.parallel }, (_, i) => lane(i));
      try {
        await Promise.all(lanes);
      } catch (error) {
        stop.abort();
        await Promise.allSettled(lanes);
        throw error;
      }
    } finally {
      source.close();
    }
    for (const file of Object.values(files)) file.syncSync();
    return result;
  } finally {
    for (const file of Object.values(files)) file.close();
    index.close();
  }
}

/** Whole lines only: what a kill cuts off is removed by the next run. @throws DiskFullError */
function append(path: string, file: Deno.FsFile, answer: BatchAnswer): void {
  const bytes = new TextEncoder().encode(JSON.stringify(answer) + "\n");
  let at = 0;
  try {
    onDisk(path, () => {
      while (at < bytes.length) at += file.writeSync(bytes.subarray(at));
    });
  } catch (error) {
    // A shorter line of another request may still find room: it must not stand behind half of this one.
    if (at > 0) file.truncateSync(file.statSync().size - at);
    throw error;
  }
}

/** @param first which server is asked first */
async function answerOf(
  line: Iterable<Uint8Array>,
  first: number,
  options: BatchOptions,
): Promise<BatchAnswer> {
  const id = `batch_req_${crypto.randomUUID().replaceAll("-", "")}`;
  let request: BatchRequest;
  try {
    request = await parseLine(line, new Turns());
  } catch (error) {
    if (!(error instanceof HeavyLineError)) throw error;
    const { customId, code, message } = error;
    return { id, custom_id: customId, response: null, error: { code, message } };
  }
  const { customId, url, body } = request;
  const { send, signal, backoff = 500, waitOut = [] } = options;
  const named = { id, custom_id: customId };
  let problem: NonNullable<BatchAnswer["error"]>;
  for (let attempt = 0, failures = 0;; attempt++) {
    let wait = Math.min(60_000, backoff * 2 ** Math.floor(attempt / 2));
    try {
      const { status, requestId, body: answer, retryAfter } = await send(url, body, first + attempt, signal);
      signal?.throwIfAborted(); // an answer that was ended early is none
      if (status >= 200 && status < 300 && answer !== null) {
        return {
          ...named,
          response: { status_code: status, request_id: requestId, body: answer },
          error: null,
        };
      }
      const { code, message } = (answer as { error?: { code?: unknown; message?: unknown } } | null)?.error ??
        {};
      problem = { code: String(code ?? status), message: String(message ?? `status ${status}`) };
      if (status !== 429 && status < 500) return { ...named, response: null, error: problem };
      if (retryAfter > 0) wait = Math.min(60_000, 1000 * retryAfter);
      if (status !== 429 && !waitOut.includes(status)) failures++;
    } catch (error) {
      if (signal?.aborted) throw error;
      problem = { code: "server_unreachable", message: (error as Error).message };
      failures++;
    }
    if (failures === TRIES) return { ...named, response: null, error: problem };
    await pause(wait, undefined, { signal });
  }
}
