/** What node:http took from a connection, as a Request. HTTP/2 comes here by node's own likeness of HTTP/1.1. */

import type { IncomingMessage } from "node:http";

/** `signal` tells that the client has left. */
export function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    const name = incoming.rawHeaders[i], value = incoming.rawHeaders[i + 1];
    if (!name.startsWith(":")) headers.append(name, value);
    else if (name === ":authority") headers.set("host", value); // HTTP/2's word for it
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
