/**
 * Media at an address: of hosts that the operator allows, never of private ones, never past the limits. The address that
 * was checked is the one that is dialled; a redirect is a new address and is checked like the first.
 */

import { lookup } from "node:dns/promises";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { joined } from "../common/joined.ts";
import type { MediaKind } from "../families/family.ts";
import { isPublicAddress } from "./addresses.ts";
import { ApiError, invalid } from "./errors.ts";
import type { MediaPlace } from "./media_place.ts";

const MOST_REDIRECTS = 3;
const CONNECT_MS = 5000;
const TOTAL_MS: Record<MediaKind, number> = { image: 10_000, audio: 15_000, video: 30_000 };

/** Addresses of a host name. Rejects where there are none. */
export type Resolve = (host: string) => Promise<string[]>;

export class RemoteMedia {
  readonly #hosts: ReadonlySet<string>;
  readonly #resolve: Resolve;

  /** `hosts`: exact names, each with `:port` where it is not the scheme's own. */
  constructor(hosts: readonly string[], resolve: Resolve = addressesOf) {
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    this.#resolve = resolve;
  }

  /** Throws ApiError. */
  async get(address: string, place: MediaPlace, most: number, signal: AbortSignal): Promise<Uint8Array> {
    const deadline = AbortSignal.timeout(TOTAL_MS[place.kind]);
    const ended = AbortSignal.any([signal, deadline]);
    try {
      let url = this.#allowed(address, place);
      for (let hop = 0;; hop++) {
        const response = await this.#request(url, place, ended);
        const next = redirectOf(response, url);
        if (next === null) return await bodyOf(response, place, most, ended);
        response.destroy();
        if (hop === MOST_REDIRECTS) throw failed(place, `it was redirected over ${MOST_REDIRECTS} times`);
        url = this.#allowed(next, place);
      }
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (signal.aborted) throw signal.reason;
      throw deadline.aborted
        ? failed(place, "it took too long", "remote_media_timeout")
        : failed(place, "it cannot be reached");
    }
  }

  #allowed(address: string, { param }: MediaPlace): URL {
    const url = URL.parse(address);
    if (url === null) throw invalid(`${param}: it is not an address`, param, "invalid_media_address");
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw invalid(`${param}: only http and https are fetched`, param, "unsupported_media_scheme");
    }
    if (url.username !== "" || url.password !== "") {
      throw invalid(`${param}: an address may not hold a name or password`, param, "invalid_media_address");
    }
    if (!this.#hosts.has(url.host)) {
      const message = this.#hosts.size === 0
        ? "remote media are disabled; send a data: URL"
        : `media of ${url.host.slice(0, 100)} are not fetched; the operator allows hosts`;
      throw invalid(`${param}: ${message}`, param, "remote_media_disabled");
    }
    return url;
  }

  async #request(url: URL, place: MediaPlace, signal: AbortSignal): Promise<IncomingMessage> {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const address = isIP(host) > 0 ? host : await this.#checked(host, place);
    signal.throwIfAborted();
    const secure = url.protocol === "https:";
    return await new Promise((resolve, reject) => {
      const request = (secure ? https : http).request({
        host: address,
        port: url.port || (secure ? 443 : 80),
        path: url.pathname + url.search,
        method: "GET",
        headers: {
          host: url.host,
          accept: `${place.kind}/*`,
          "accept-encoding": "identity",
          "user-agent": "valley-edge",
        },
        signal,
        agent: false,
        ...(secure ? { servername: isIP(host) > 0 ? "" : host } : {}),
      }, (response) => {
        clearTimeout(timer);
        resolve(response);
      });
      const timer = setTimeout(() => request.destroy(new Error("no answer in time")), CONNECT_MS);
      request.on("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      request.end();
    });
  }

  /** One of the name's addresses, all of which must be public. A literal address stands in the list by itself. */
  async #checked(host: string, place: MediaPlace): Promise<string> {
    const addresses = await this.#resolve(host);
    if (addresses.length === 0 || !addresses.every(isPublicAddress)) {
      throw invalid(`${place.param}: the host has a private address`, place.param, "remote_media_refused");
    }
    return addresses[0];
  }
}

async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** Where an answer sends on to, or null. */
function redirectOf({ statusCode, headers }: IncomingMessage, base: URL): string | null {
  if (![301, 302, 303, 307, 308].includes(statusCode ?? 0) || headers.location === undefined) return null;
  return URL.parse(headers.location, base)?.href ?? headers.location;
}

async function bodyOf(
  response: IncomingMessage,
  place: MediaPlace,
  most: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { statusCode, headers } = response;
  const stop = () => response.destroy();
  signal.addEventListener("abort", stop);
  try {
    if (statusCode !== 200) throw failed(place, `its host answered ${statusCode}`);
    if (headers["content-encoding"] !== undefined && headers["content-encoding"] !== "identity") {
      throw failed(place, "its host sent it packed");
    }
    if (Number(headers["content-length"] ?? 0) > most) throw tooLarge(place, most);
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of response as AsyncIterable<Uint8Array>) {
      size += piece.length;
      if (size > most) throw tooLarge(place, most);
      pieces.push(piece);
    }
    if (!response.complete) throw failed(place, "it broke off");
    return joined(pieces);
  } finally {
    signal.removeEventListener("abort", stop);
    response.destroy();
  }
}

function failed({ kind, param }: MediaPlace, why: string, code = "remote_media_failed"): ApiError {
  return invalid(`${param}: the ${kind} was not got: ${why}`, param, code);
}

export function tooLarge({ kind, param }: MediaPlace, most: number): ApiError {
  const message = `${param}: the ${kind} is larger than ${most >> 20} MiB`;
  return new ApiError(413, message, "invalid_request_error", `${kind}_too_large`, param);
}
