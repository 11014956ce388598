/**
 * What is on its way to a client of HTTP/2. A session takes as much as the client's windows allow, up to 2 GiB, and
 * does not tell what still lies in this process; so from time to time the client is asked by a PING, whose answer
 * says that all before it has arrived.
 */

import type { ServerHttp2Session } from "node:http2";

/** Bytes after which the client is asked. */
const UNDER_WAY = 256 << 10;
/** Bytes that no client lets come together which waits for its answers: 100 streams, each with one piece. */
const MOST = 16 << 20;

export class Receipts {
  readonly #session: ServerHttp2Session;
  readonly #stallMs: number;
  #bytes = 0;
  #asked: Promise<void> | null = null;

  /** A client that does not answer within `stallMs` loses its connection. */
  constructor(session: ServerHttp2Session, stallMs: number) {
    this.#session = session;
    this.#stallMs = stallMs;
  }

  /** Counts bytes that were sent; resolves when few enough are under way, or the connection has ended. */
  async add(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes > MOST) this.#session.destroy();
    while (this.#bytes >= UNDER_WAY && !this.#session.destroyed) await (this.#asked ??= this.#ask());
  }

  async #ask(): Promise<void> {
    const before = this.#bytes;
    const timer = setTimeout(() => this.#session.destroy(), this.#stallMs);
    await new Promise<void>((resolve) => {
      this.#session.once("close", resolve);
      this.#session.ping(() => {
        this.#session.off("close", resolve);
        resolve();
      });
    });
    clearTimeout(timer);
    this.#bytes -= before;
    this.#asked = null;
  }
}
