/** One file from the hub: missing chunks in parallel, each tried again at other origins; then its digest. */
import type { HubClient } from "./hub_client.ts";
import { HubError } from "./hub_error.ts";
import type { PartFile } from "./part_file.ts";

export interface FetchSpeed {
  parallel: number;
  signal: AbortSignal;
  /** Bytes of the file that are there, chunks under way included. */
  onBytes: (bytes: number) => void;
}

/** Tries of one chunk. */
const TRIES = 8;

/** @throws HubError, or Error naming the file whose bytes are not those that the hub promises */
export async function fetchFile(
  client: HubClient,
  path: string,
  part: PartFile,
  speed: FetchSpeed,
): Promise<void> {
  const fetcher = new Fetcher(client, path, part, speed);
  for (let round = 0; round < 3; round++) {
    await fetcher.missing();
    part.advance();
    if (!part.complete) continue; // the disk gave back other bytes than were written: those chunks again
    if (part.matches()) return;
    if (await fetcher.mend()) return;
    break;
  }
  const { name, digest } = part.wanted;
  throw new Error(
    `Cannot pull ${name}: what comes is not what the hub promises (${digest.kind} ${digest.hex})`,
  );
}

class Fetcher {
  #underWay = 0;

  constructor(
    private readonly client: HubClient,
    private readonly path: string,
    private readonly part: PartFile,
    private readonly speed: FetchSpeed,
  ) {}

  /** All chunks that are missing. */
  async missing(): Promise<void> {
    const { part, speed } = this;
    speed.onBytes(part.done);
    const queue = part.missing();
    const stop = new AbortController();
    const signal = AbortSignal.any([speed.signal, stop.signal]);
    const lane = async () => {
      for (let chunk; (chunk = queue.shift()) !== undefined;) {
        if (part.digestOf(chunk) !== null) continue; // came with a reply that knows no ranges
        await this.#chunk(chunk, 0, signal);
        part.advance();
      }
    };
    const lanes = Array.from({ length: Math.max(1, Math.min(speed.parallel, queue.length)) }, lane);
    try {
      await Promise.all(lanes);
    } catch (error) {
      stop.abort();
      await Promise.allSettled(lanes);
      throw error;
    }
  }

  /**
   * Every chunk came whole and yet the file's digest is wrong: fetches chunk by chunk again, elsewhere if there is an
   * elsewhere, until one differs and the digest fits.
   */
  async mend(): Promise<boolean> {
    const { part, speed } = this;
    for (let chunk = 0; chunk < part.chunks; chunk++) {
      const before = part.digestOf(chunk);
      await this.#chunk(chunk, 1, speed.signal);
      if (part.digestOf(chunk) === before) continue;
      part.advance();
      if (part.complete && part.matches()) return true;
    }
    return false;
  }

  /** @param first which origin is asked first */
  async #chunk(chunk: number, first: number, signal: AbortSignal): Promise<void> {
    const ask = (base: string) => this.#once(base, chunk, signal);
    await this.client.fromAny(ask, { signal, tries: TRIES, first });
  }

  async #once(base: string, chunk: number, signal: AbortSignal): Promise<void> {
    const { client, part, path, speed } = this;
    const { from, length } = part.range(chunk);
    const range = { range: `bytes=${from}-${from + length - 1}`, "accept-encoding": "identity" };
    const { head, linked, status, body } = await client.open(base, path, range, signal);
    const wrong = (reason: string) =>
      new HubError(`Cannot use ${new URL(base).host}${path}: ${reason}`, true);
    try {
      const problem = headProblem(part, head, linked, status, from, length);
      if (problem !== null) throw wrong(problem);
    } catch (error) {
      await body.cancel().catch(() => {});
      throw error;
    }
    // A reply with the whole file: chunk after chunk from the first on.
    let at = status === 200 ? 0 : chunk;
    let writer = part.writer(at);
    let counted = 0;
    try {
      for await (let piece of client.pieces(body)) {
        this.#underWay += piece.length;
        counted += piece.length;
        while (piece.length > 0) {
          const left = part.range(at).length - writer.got();
          const end = status !== 200 || at === part.chunks - 1;
          if (end && piece.length > left) throw wrong("it sends more than was asked for");
          writer.write(piece.subarray(0, left));
          piece = piece.subarray(Math.min(left, piece.length));
          if (writer.got() === part.range(at).length) {
            writer.finish();
            this.#underWay -= writer.got();
            counted -= writer.got();
            if (!end) writer = part.writer(++at);
          }
        }
        speed.onBytes(Math.min(part.wanted.size, part.done + this.#underWay));
      }
    } finally {
      this.#underWay -= counted;
    }
    const last = status === 200 ? part.chunks - 1 : chunk;
    if (at !== last || writer.got() !== part.range(last).length) throw wrong("it ends too early");
  }
}

/** What is wrong with the head of a reply to a range; null: nothing. */
function headProblem(
  part: PartFile,
  head: Headers,
  linked: Headers,
  status: number,
  from: number,
  length: number,
): string | null {
  const { size, digest } = part.wanted;
  const coding = head.get("content-encoding") ?? "identity";
  if (coding !== "identity") return `it sends ${coding}, identity was asked for`;
  for (const headers of [linked, head]) {
    const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\/|"/g, "");
    if (digest.kind === "sha256" && /^[0-9a-f]{64}$/.test(etag) && etag !== digest.hex) {
      return `its ETag is of another file (${etag})`;
    }
  }
  if (status === 206) {
    const said = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(head.get("content-range") ?? "");
    if (said === null) return "a part comes without Content-Range";
    const [, first, last, total] = said;
    if (Number(first) !== from || Number(last) !== from + length - 1) {
      return `it sends bytes ${first} to ${last}`;
    }
    if (total !== "*" && Number(total) !== size) return `it has ${total} bytes there, ${size} were promised`;
    return null;
  }
  if (status !== 200) return `it answers ${status}`;
  const said = head.get("content-length");
  return said !== null && Number(said) !== size ? `it has ${said} bytes there, ${size} were promised` : null;
}
