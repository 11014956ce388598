/**
 * Who may ask. A file holds one line a key: its SHA-256 in hex, a name, and what it is held to:
 *
 *   9f86d081…0f00a08 shop-a concurrent=4 per-minute=60
 *
 * Keys are long random strings, so a plain hash is enough; the file is read again when it changes.
 */

import { createHash } from "node:crypto";
import { ApiError } from "./errors.ts";

export interface ApiKey {
  name: string;
  /** Requests at a time; null: no limit of its own. */
  concurrent: number | null;
  perMinute: number | null;
}

/** Lines → keys by digest. Throws an Error naming the line that is none. */
export function parseKeys(text: string): Map<string, ApiKey> {
  const keys = new Map<string, ApiKey>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [digest, name, ...rest] = line.trim().split(/\s+/);
    const limits: Record<string, number> = {};
    for (const word of rest) {
      const match = /^(concurrent|per-minute)=([1-9]\d{0,8})$/.exec(word);
      if (match === null) {
        throw new Error(`Cannot read keys: line ${index + 1} has ${JSON.stringify(word.slice(0, 40))}`);
      }
      limits[match[1]] = Number(match[2]);
    }
    if (!/^(sha256:)?[0-9a-f]{64}$/i.test(digest) || !/^[\w.@-]{1,64}$/.test(name ?? "")) {
      throw new Error(`Cannot read keys: line ${index + 1} is not a SHA-256 and a name`);
    }
    keys.set(digest.slice(-64).toLowerCase(), {
      name,
      concurrent: limits.concurrent ?? null,
      perMinute: limits["per-minute"] ?? null,
    });
  }
  return keys;
}

/** Keys and what they have used. */
export class Keys {
  #keys: Map<string, ApiKey>;
  readonly #open = new Map<string, number>();
  /** Starts of requests in the last minute. */
  readonly #starts = new Map<string, number[]>();

  constructor(keys: Map<string, ApiKey>) {
    this.#keys = keys;
  }

  replace(keys: Map<string, ApiKey>): void {
    this.#keys = keys;
  }

  /** A key of this name is there. */
  has(name: string): boolean {
    return [...this.#keys.values()].some((key) => key.name === name);
  }

  /** The key of a request (`Authorization: Bearer …`, or `x-api-key`). Throws ApiError 401. */
  authenticate(headers: Headers): ApiKey {
    const given = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1] ??
      headers.get("x-api-key");
    const key = given ? this.#keys.get(createHash("sha256").update(given).digest("hex")) : undefined;
    if (key !== undefined) return key;
    throw new ApiError(
      401,
      given ? "The API key is not known here" : "An API key is needed: Authorization: Bearer KEY",
      "authentication_error",
      given ? "invalid_api_key" : "missing_api_key",
      null,
      { "www-authenticate": "Bearer" },
    );
  }

  /** Counts a request that will compute; the result is to be called when it is over. Throws ApiError 429. */
  take({ name, concurrent, perMinute }: ApiKey, now = Date.now()): () => void {
    const open = this.#open.get(name) ?? 0;
    if (concurrent !== null && open >= concurrent) {
      throw limited(`This key may have ${concurrent} requests at a time`, "concurrency_limit", 1);
    }
    if (perMinute !== null) {
      const starts = (this.#starts.get(name) ?? []).filter((start) => start > now - 60_000);
      if (starts.length >= perMinute) {
        const wait = Math.ceil((starts[0] + 60_000 - now) / 1000);
        throw limited(`This key may send ${perMinute} requests a minute`, "rate_limit", Math.max(1, wait));
      }
      starts.push(now);
      this.#starts.set(name, starts);
    }
    this.#open.set(name, open + 1);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = this.#open.get(name)! - 1;
      if (left > 0) this.#open.set(name, left);
      else this.#open.delete(name);
    };
  }
}

function limited(message: string, code: string, seconds: number): ApiError {
  return new ApiError(429, message, "rate_limit_error", code, null, { "retry-after": String(seconds) });
}

/** On loopback only names of loopback are answered to: a foreign name is a page that lured a browser here. */
export function checkHost(headers: Headers, allowed: readonly string[] | null): void {
  if (allowed === null) return;
  const host = (headers.get("host") ?? "").toLowerCase().replace(/:\d+$/, "");
  if (allowed.includes(host) || host.endsWith(".localhost")) return;
  throw new ApiError(
    403,
    "This server does not answer to that host name",
    "invalid_request_error",
    "host_not_allowed",
  );
}

export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
