/** HTTP/2 on the sockets of a TLS listener, with the limits that node:http2 lacks. */

import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { Receipts } from "./http2_receipts.ts";

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;

/** An answer that needs no Response: status line and JSON. */
export interface Refusal {
  status: string;
  body: string;
}

export interface Http2Limits {
  /** A connection without a stream is closed after so long. */
  idleMs: number;
  /** From a stream's beginning to the end of its body. */
  bodyMs: number;
  /** A client that takes nothing for so long loses its connection. */
  stallMs: number;
  /** Streams at once, those of all connections together. */
  maxStreams: number;
  /** To a body that did not come in time. */
  late: Refusal;
  /** To a stream over `maxStreams`. */
  full: Refusal;
}

/**
 * Gets each request in node's likeness of HTTP/1.1. `sent` counts bytes of its answer and resolves when there is room
 * for more; without it, `write` and `drain` tell.
 */
export type Take = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  sent?: (bytes: number) => Promise<void>,
) => void;

const STREAMS_A_CONNECTION = 100;
/** Bytes, with 32 for each header by HTTP/2's way to count. */
const HEADER_LIST = 16 << 10;
/** Bytes that each answer is taken for, besides its body. */
const ANSWER_HEAD = 512;
/** Bytes of bodies under way, of a stream and of a connection; HTTP/2's own 64 KiB would make far uploads slow. */
const STREAM_WINDOW = 512 << 10;
const CONNECTION_WINDOW = 4 << 20;
/** Twice what a client can have open, so that one which leaves all at once is not taken for a flood. */
const MOST_RESETS = 2 * STREAMS_A_CONNECTION;
const RESETS_MS = 10_000;
/** For the last frames to go out. */
const LINGER_MS = 1000;

export class Http2Sessions {
  readonly #server: http2.Http2Server;
  readonly #limits: Http2Limits;
  readonly #sessions = new Map<ServerHttp2Session, Receipts>();
  #streams = 0;
  #closing = false;

  constructor(limits: Http2Limits, take: Take) {
    this.#limits = limits;
    this.#server = http2.createServer({
      settings: {
        maxConcurrentStreams: STREAMS_A_CONNECTION,
        maxHeaderListSize: HEADER_LIST,
        initialWindowSize: STREAM_WINDOW,
      },
    });
    // What breaks a session is the client's doing, and its streams tell whom it concerns.
    this.#server.on("sessionError", () => {});
    this.#server.on("request", (incoming, outgoing) => {
      if (!this.#admit(incoming.stream)) return;
      const receipts = this.#sessions.get(incoming.stream.session as ServerHttp2Session);
      const sent = (bytes: number) => receipts?.add(bytes) ?? Promise.resolve();
      take(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse, sent);
    });
  }

  adopt(socket: TLSSocket): void {
    if (socket.destroyed) return;
    this.#server.once("session", (session) => this.#watch(session, socket));
    this.#server.emit("connection", socket);
  }

  /** No new streams; connections close with their last. */
  close(): void {
    this.#closing = true;
    for (const session of this.#sessions.keys()) session.close();
  }

  destroy(): void {
    for (const session of this.#sessions.keys()) session.destroy();
  }

  /** Counts a stream and times its body; false where there is no room for it. */
  #admit(stream: ServerHttp2Stream): boolean {
    if (stream.closed) return false;
    if (this.#streams >= this.#limits.maxStreams) {
      refuse(stream, this.#limits.full);
      return false;
    }
    this.#streams++;
    const timer = setTimeout(() => refuse(stream, this.#limits.late), this.#limits.bodyMs);
    if (stream.endAfterHeaders) clearTimeout(timer);
    stream.on("end", () => clearTimeout(timer));
    stream.on("close", () => {
      clearTimeout(timer);
      this.#streams--;
    });
    return true;
  }

  #watch(session: ServerHttp2Session, socket: TLSSocket): void {
    const receipts = new Receipts(session, this.#limits.stallMs);
    this.#sessions.set(session, receipts);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    let open = 0, resets = 0, since = 0;
    const end = () => {
      session.close();
      timer = setTimeout(() => session.destroy(), LINGER_MS);
    };
    let timer = setTimeout(end, this.#limits.idleMs);
    session.on("close", () => {
      clearTimeout(timer);
      this.#sessions.delete(session);
      const cut = setTimeout(() => socket.destroy(), LINGER_MS); // a client that still sends holds it open
      socket.once("close", () => clearTimeout(cut));
    });
    session.on("stream", (stream: ServerHttp2Stream) => {
      clearTimeout(timer);
      open++;
      void receipts.add(ANSWER_HEAD);
      stream.on("close", () => {
        if (--open === 0 && !session.destroyed) timer = setTimeout(end, this.#limits.idleMs);
        if (stream.rstCode === NGHTTP2_NO_ERROR) return;
        if (performance.now() - since > RESETS_MS) [since, resets] = [performance.now(), 0];
        if (++resets <= MOST_RESETS || session.destroyed) return;
        session.destroy(new Error("A flood of resets"), NGHTTP2_ENHANCE_YOUR_CALM);
      });
    });
    if (this.#closing) session.close();
  }
}

/** Ends a stream: with `refusal` if nothing was answered yet, cut off if an answer is under way. */
function refuse(stream: ServerHttp2Stream, { status, body }: Refusal): void {
  if (stream.closed || stream.destroyed) return;
  if (!stream.headersSent) {
    stream.respond({
      ":status": parseInt(status),
      "content-type": "application/json",
      "content-length": body.length,
    });
    stream.end(body);
  }
  stream.close(stream.writableEnded ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
  const timer = setTimeout(() => stream.destroy(), LINGER_MS);
  stream.on("close", () => clearTimeout(timer));
}
