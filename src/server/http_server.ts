/**
 * HTTP by node:http, which has what Deno.serve lacks: time limits on headers and body, a cap on connections, and
 * word of every client that leaves, also while a body of many packets is answered without a stream.
 */

import https from "node:https";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

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
  /** Certificate chain and key in PEM; null: plain HTTP. */
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
  const take = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    answer(incoming, outgoing, handler, options.stallSeconds * 1000).catch((error) => {
      failed(error);
      outgoing.destroy();
    });
  };
  const server = options.tls === null
    ? http.createServer(settings, take)
    : https.createServer({ ...settings, ...options.tls }, take);
  server.maxConnections = options.maxConnections;
  server.on("clientError", (error, socket) => {
    const late = (error as { code?: string }).code === "ERR_HTTP_REQUEST_TIMEOUT";
    if (socket.writable) socket.end(refusal(late ? "408 Request Timeout" : "400 Bad Request"));
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
          }),
        destroy: () => server.closeAllConnections(),
      });
    });
  });
}

/** The answer to what is no request: there is nothing to make a Response for. */
function refusal(status: string): string {
  const message = `The server did not get a whole HTTP request: ${status.slice(4)}`;
  const body = JSON.stringify({
    error: { message, type: "invalid_request_error", param: null, code: "bad_http" },
  });
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n` +
    `connection: close\r\n\r\n${body}`;
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: Handler,
  stallMs: number,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  outgoing.on("error", () => gone.abort());
  const request = toRequest(incoming, gone.signal);
  const response = await handler(request);
  // A refusal may come before the body is read: what is still on its way must not hold up the connection.
  if (request.body !== null && !request.bodyUsed) await request.body.cancel();
  if (gone.signal.aborted) {
    await response.body?.cancel();
    return;
  }
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.setHeader(name, value);
  if (response.body === null || incoming.method === "HEAD") {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  const client = { outgoing, gone: gone.signal, stallMs };
  if (response.headers.get("content-type")?.startsWith("text/event-stream") === true) {
    outgoing.flushHeaders();
    const reader = response.body.getReader();
    gone.signal.addEventListener("abort", () => void reader.cancel().catch(() => {}));
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.signal.aborted) break;
      if (!outgoing.write(value)) await taken("drain", client);
    }
  } else {
    const bytes = new Uint8Array(await response.arrayBuffer()); // whole, so that its length is told
    outgoing.setHeader("content-length", bytes.length);
    for (let at = 0; at < bytes.length && !gone.signal.aborted; at += PIECE) {
      if (!outgoing.write(bytes.subarray(at, at + PIECE))) await taken("drain", client);
    }
  }
  outgoing.end();
  if (!outgoing.writableFinished) await taken("finish", client);
}

/** Bytes of a whole answer that a client has the time of a stall to take. */
const PIECE = 64 << 10;

interface Client {
  outgoing: ServerResponse;
  gone: AbortSignal;
  stallMs: number;
}

/** Waits until the client has taken what was written; cuts it off when it does not. */
async function taken(event: "drain" | "finish", { outgoing, gone, stallMs }: Client): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => outgoing.destroy(), stallMs);
    const done = () => {
      clearTimeout(timer);
      gone.removeEventListener("abort", done);
      outgoing.off(event, done);
      resolve();
    };
    outgoing.on(event, done);
    gone.addEventListener("abort", done);
    if (gone.aborted) done();
  });
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const name = incoming.rawHeaders[i];
    if (!name.startsWith(":")) headers.append(name, incoming.rawHeaders[i + 1]);
  }
  // Requests can't be made with these; nothing here is asked for by them.
  const method = /^(TRACE|TRACK|CONNECT)$/i.test(incoming.method ?? "")
    ? "UNSUPPORTED"
    : incoming.method ?? "GET";
  const body = method === "GET" || method === "HEAD" ? null : bodyOf(incoming);
  return new Request(new URL(pathOf(incoming.url), "http://localhost"), {
    method,
    headers,
    body,
    signal,
    ...(body === null ? {} : { duplex: "half" }),
  } as RequestInit);
}

/** Path and query of the request line, absolute forms included; one that is no URL is taken as "/". */
function pathOf(target = "/"): string {
  try {
    const { pathname, search } = new URL(target, "http://localhost");
    return pathname.replace(/^\/+/, "/") + search;
  } catch {
    return "/";
  }
}

/** The body as it comes in, held back while nobody reads; what nobody wants is thrown away. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let open = true;
  return new ReadableStream({
    start(controller) {
      const fail = () => {
        if (open) controller.error(new Error("Cannot read the body: the client left"));
        open = false;
      };
      incoming.on("data", (piece: Uint8Array) => {
        if (!open) return;
        controller.enqueue(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.on("end", () => {
        if (open) controller.close();
        open = false;
      });
      incoming.on("error", fail);
      incoming.on("aborted", fail);
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      open = false;
      incoming.resume();
    },
  }, { highWaterMark: 1 << 20, size: (piece) => piece.length });
}
