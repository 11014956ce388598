/**
 * HTTP by node:http, which has what Deno.serve lacks: time limits on headers and body, a cap on connections, and
 * word of every client that leaves, also while a body of many packets is answered without a stream. With TLS one
 * listener has both protocols; what a client chose in the handshake tells who gets its connection.
 */

import https from "node:https";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { Http2Sessions, type Refusal, type Take } from "./http2_sessions.ts";
import { toRequest } from "./http_request.ts";

export interface HttpOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  maxConnections: number;
  /** Seconds. */
  headerSeconds: number;
  requestSeconds: number;
  keepAliveSeconds: number;
  /** A client that takes nothing for so long is cut off. */
  stallSeconds: number;
  /** Certificate chain and key in PEM, for HTTP/1.1 and HTTP/2; null: plain HTTP/1.1. */
  tls: { cert: string; key: string } | null;
}

export const DEFAULT_HTTP: HttpOptions = {
  host: "127.0.0.1",
  port: 8000,
  maxConnections: 448,
  headerSeconds: 5,
  requestSeconds: 30,
  keepAliveSeconds: 30,
  stallSeconds: 30,
  tls: null,
};

export interface HttpServer {
  port: number;
  /** No new connections; resolves when those in use have ended. */
  close(): Promise<void>;
  /** Ends all connections. */
  destroy(): void;
}

export type Handler = (request: Request) => Response | Promise<Response>;

/** Listens. Rejects when the address is taken. `failed` hears of errors that no answer could tell. */
export function listen(
  options: HttpOptions,
  handler: Handler,
  failed: (error: unknown) => void,
): Promise<HttpServer> {
  const settings = {
    headersTimeout: options.headerSeconds * 1000,
    requestTimeout: options.requestSeconds * 1000,
    keepAliveTimeout: options.keepAliveSeconds * 1000,
    connectionsCheckingInterval: 500,
  };
  const stallMs = options.stallSeconds * 1000;
  const take: Take = (incoming, outgoing, sent) => {
    const client = { outgoing, gone: new AbortController(), stallMs, sent };
    answer(incoming, client, handler).catch((error) => {
      failed(error);
      outgoing.destroy();
    });
  };
  const http2 = options.tls === null ? null : new Http2Sessions({
    idleMs: options.keepAliveSeconds * 1000,
    bodyMs: options.requestSeconds * 1000,
    stallMs,
    maxStreams: options.maxConnections,
    late: refusal("408 Request Timeout"),
    full: refusal("503 Service Unavailable"),
  }, take);
  const server = options.tls === null || http2 === null
    ? http.createServer(settings, take)
    : shared(https.createServer({ ...settings, ...tlsSettings(options), ...options.tls }, take), http2);
  server.maxConnections = options.maxConnections;
  server.on("clientError", (error, socket) => {
    const late = (error as { code?: string }).code === "ERR_HTTP_REQUEST_TIMEOUT";
    if (socket.writable) socket.end(asHttp1(refusal(late ? "408 Request Timeout" : "400 Bad Request")));
    else socket.destroy();
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      server.on("error", failed);
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeIdleConnections();
            http2?.close();
          }),
        destroy: () => {
          server.closeAllConnections();
          http2?.destroy();
        },
      });
    });
  });
}

const tlsSettings = ({ headerSeconds }: HttpOptions) => ({
  ALPNProtocols: ["h2", "http/1.1"],
  handshakeTimeout: headerSeconds * 1000,
});

/** Gives connections whose client chose HTTP/2 to `http2`; the others stay with node:https and its time limits. */
function shared(server: https.Server, http2: Http2Sessions): https.Server {
  const http1 = server.listeners("secureConnection");
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.alpnProtocol === "h2") http2.adopt(socket);
    else for (const listener of http1) listener.call(server, socket);
  });
  // No answer can be told to a client without a key, such as one that sent no hello.
  server.on("tlsClientError", (_, socket) => socket.destroy());
  return server;
}

/** The answer to what is no request: there is nothing to make a Response for. */
function refusal(status: string): Refusal {
  const message = `The server did not get a whole HTTP request: ${status.slice(4)}`;
  const body = JSON.stringify({
    error: { message, type: "invalid_request_error", param: null, code: "bad_http" },
  });
  return { status, body };
}

function asHttp1({ status, body }: Refusal): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n` +
    `connection: close\r\n\r\n${body}`;
}

interface Client {
  outgoing: ServerResponse;
  gone: AbortController;
  stallMs: number;
  sent?: Parameters<Take>[2];
}

async function answer(incoming: IncomingMessage, client: Client, handler: Handler): Promise<void> {
  const { outgoing, gone } = client;
  let ended = false; // HTTP/2 calls finished what a client has cut off, too
  outgoing.on("close", () => {
    if (!ended || !outgoing.writableFinished) gone.abort();
  });
  outgoing.on("error", () => gone.abort());
  const request = toRequest(incoming, gone.signal);
  const response = await handler(request);
  // A refusal may come before the body is read: what is still on its way must not hold up the connection.
  if (request.body !== null && !request.bodyUsed) await request.body.cancel();
  if (gone.signal.aborted || outgoing.headersSent) { // nobody to tell, or told that the body is late
    await response.body?.cancel();
    return;
  }
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.setHeader(name, value);
  if (response.body === null || incoming.method === "HEAD") {
    await response.body?.cancel();
    ended = true;
    outgoing.end();
    return;
  }
  if (response.headers.get("content-type")?.startsWith("text/event-stream") === true) {
    outgoing.flushHeaders();
    const reader = response.body.getReader();
    gone.signal.addEventListener("abort", () => void reader.cancel().catch(() => {}));
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.signal.aborted) break;
      await send(value, client);
    }
  } else {
    const bytes = new Uint8Array(await response.arrayBuffer()); // whole, so that its length is told
    outgoing.setHeader("content-length", bytes.length);
    for (let at = 0; at < bytes.length && !gone.signal.aborted; at += PIECE) {
      await send(bytes.subarray(at, at + PIECE), client);
    }
  }
  ended = !gone.signal.aborted;
  outgoing.end();
  if (!outgoing.writableFinished) await patiently(client, (done) => outgoing.once("finish", done));
}

/** Bytes of a whole answer that a client has the time of a stall to take. */
const PIECE = 64 << 10;

async function send(bytes: Uint8Array, client: Client): Promise<void> {
  const { outgoing } = client;
  if (!outgoing.write(bytes)) await patiently(client, (done) => outgoing.once("drain", done));
  if (client.sent) await client.sent(bytes.length);
}

/** Waits until the client has taken what was written; cuts it off when it does not. */
async function patiently({ outgoing, gone, stallMs }: Client, wait: (done: () => void) => void) {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => outgoing.destroy(), stallMs);
    const done = () => {
      clearTimeout(timer);
      gone.signal.removeEventListener("abort", done);
      resolve();
    };
    gone.signal.addEventListener("abort", done);
    if (gone.signal.aborted) done();
    else wait(done);
  });
}
