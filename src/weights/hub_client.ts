/**
 * HTTP to a Hugging Face-style hub and its mirrors. The token goes to the endpoint's own origin and nowhere else;
 * redirects are followed by hand, never from a public host into a private network; replies are capped and watched.
 */
import { setTimeout as pause } from "node:timers/promises";
import { joined } from "../common/joined.ts";
import { allowed, baseOf } from "./hub_address.ts";
import { HubError, statusError } from "./hub_error.ts";

export interface HubOptions {
  /** `HF_ENDPOINT`. */
  endpoint: string;
  /** Asked in turn where the endpoint fails; they never see the token. */
  mirrors: string[];
  /** `HF_TOKEN`; null: none. */
  token: string | null;
  /** Milliseconds: until the head of a reply; in which at least `LEAST` bytes must come. */
  headTimeout?: number;
  stallTimeout?: number;
  /** Milliseconds before the second try of a request; doubles each time. */
  backoff?: number;
}

const MOST_REDIRECTS = 5;
/** Tries of a list of files, at each origin. */
const TRIES = 4;
/** Decoded bytes of a reply with metadata. */
const MOST_METADATA = 8 << 20;
/** Bytes that must come in each `stallTimeout`. */
const LEAST = 1024;

export class HubClient {
  readonly origins: readonly string[];
  readonly #options: Required<HubOptions>;

  /** @throws Error naming the endpoint that is no http(s) address */
  constructor(options: HubOptions) {
    this.#options = { headTimeout: 30_000, stallTimeout: 30_000, backoff: 500, ...options };
    this.origins = [options.endpoint, ...options.mirrors].map(baseOf);
  }

  /** JSON from `path` of the first origin that has it. @throws HubError */
  async json(path: string, signal: AbortSignal): Promise<unknown> {
    const bytes = await this.fromAny(async (base) => {
      const { body } = await this.open(base, path, {}, signal);
      return await this.#whole(body, path);
    }, { signal, tries: TRIES * this.origins.length });
    try {
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      throw new HubError(`Cannot use the hub's answer to ${path}: it is not JSON`, false);
    }
  }

  /**
   * What `ask` gets from one origin or another; each is asked again where another try may help.
   * @param tries of all origins together @param first which is asked first
   * @throws HubError of the last try
   */
  async fromAny<T>(
    ask: (base: string) => Promise<T>,
    { signal, tries, first = 0 }: { signal: AbortSignal; tries: number; first?: number },
  ): Promise<T> {
    const { origins } = this;
    const hopeless = new Set<number>();
    for (let attempt = 0;; attempt++) {
      const origin = (first + attempt) % origins.length;
      if (hopeless.has(origin)) continue;
      try {
        return await ask(origins[origin]);
      } catch (error) {
        if (!(error instanceof HubError) || signal.aborted) throw error;
        if (!error.retry) hopeless.add(origin);
        if (attempt >= tries - 1 || hopeless.size === origins.length) throw error;
        // With another origin to ask there is nothing to wait for.
        const round = attempt - origins.length + 1;
        if (!error.retry || round < 0) continue;
        const wait = Math.max(this.#options.backoff * 2 ** Math.min(6, round), 1000 * error.waitSeconds);
        await pause(wait, undefined, { signal });
      }
    }
  }

  /**
   * The reply to a GET, its head checked to be 2xx; the caller reads `body` with `pieces`.
   * @throws HubError
   */
  async open(
    base: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ head: Headers; linked: Headers; status: number; body: ReadableStream<Uint8Array> }> {
    const home = new URL(base);
    let url = new URL(base + path);
    let linked = new Headers();
    for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
      const sent = new Headers({ ...headers, "user-agent": "valley-edge" });
      const ownHost = url.origin === new URL(this.origins[0]).origin;
      if (this.#options.token !== null && ownHost) {
        sent.set("authorization", `Bearer ${this.#options.token}`);
      }
      const reply = await this.#head(url, sent, signal);
      const location = reply.headers.get("location");
      if (reply.status >= 300 && reply.status < 400 && location !== null) {
        await reply.body?.cancel();
        if (hop === 0) linked = reply.headers;
        url = allowed(new URL(location, url), url, home);
        continue;
      }
      if (reply.ok && reply.body === null) throw new HubError(`The hub answers ${path} with nothing`, true);
      if (!reply.ok || reply.body === null) {
        await reply.body?.cancel();
        throw statusError(reply, path, this.#options.token !== null);
      }
      return { head: reply.headers, linked, status: reply.status, body: reply.body };
    }
    throw new HubError(`Cannot get ${path}: more than ${MOST_REDIRECTS} redirects`, false);
  }

  async #head(url: URL, headers: Headers, signal: AbortSignal): Promise<Response> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), this.#options.headTimeout);
    try {
      return await fetch(url, {
        headers,
        redirect: "manual",
        signal: AbortSignal.any([signal, timeout.signal]),
      });
    } catch (error) {
      if (signal.aborted) throw error;
      const reason = timeout.signal.aborted
        ? `no answer in ${this.#options.headTimeout / 1000} s`
        : causeOf(error);
      throw new HubError(`Cannot reach ${url.host}: ${reason}`, true);
    } finally {
      clearTimeout(timer);
    }
  }

  async #whole(body: ReadableStream<Uint8Array>, path: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this.pieces(body)) {
      size += piece.length;
      if (size > MOST_METADATA) {
        throw new HubError(
          `Cannot use the hub's answer to ${path}: it is over ${MOST_METADATA} bytes`,
          false,
        );
      }
      parts.push(piece);
    }
    return joined(parts);
  }

  /** The pieces of a body. @throws HubError when it breaks off, or crawls. */
  async *pieces(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { stallTimeout } = this.#options;
    const reader = body.getReader();
    let got = 0, at = 0, stalled = false;
    const watch = setInterval(() => {
      if (got - at >= LEAST) at = got;
      else {
        stalled = true;
        reader.cancel().catch(() => {});
      }
    }, stallTimeout);
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (stalled) break;
        if (done) return;
        got += value.length;
        yield value;
      }
      throw new HubError(`The hub sent under ${LEAST} bytes in ${stallTimeout / 1000} s`, true);
    } catch (error) {
      if (error instanceof HubError) throw error;
      throw new HubError(`The hub's answer broke off: ${causeOf(error)}`, true);
    } finally {
      clearInterval(watch);
      await reader.cancel().catch(() => {});
    }
  }
}

function causeOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
