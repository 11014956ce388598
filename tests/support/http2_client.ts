/** A client that speaks HTTP/2 to a server on this machine. */

import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function connect(port: number, ca: string, settings: http2.Settings = {}) {
  const session = http2.connect(`https://localhost:${port}`, { ca, settings });
  session.on("error", () => {}); // what a test waits for is that it closes
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  return session;
}

/** A request for a conversation, its body sent whole. */
export function chat(session: ClientHttp2Session, body: unknown): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/v1/chat/completions",
    "content-type": "application/json",
  });
  stream.on("error", () => {});
  stream.end(JSON.stringify(body));
  return stream;
}

export interface Answer {
  /** 0: none came. */
  status: number;
  headers: Record<string, unknown>;
  text: string;
  /** Why the stream ended, by HTTP/2's number. */
  code: number;
}

/** What came until the stream closed. */
export function answerTo(stream: ClientHttp2Stream): Promise<Answer> {
  const answer: Answer = { status: 0, headers: {}, text: "", code: 0 };
  const decoder = new TextDecoder();
  stream.on("response", (headers) => {
    answer.headers = headers;
    answer.status = headers[":status"] ?? 0;
  });
  stream.on("data", (piece: Uint8Array) => answer.text += decoder.decode(piece, { stream: true }));
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.on("close", () => resolve({ ...answer, code: stream.rstCode ?? 0 }));
  });
}

/** Resolves when the connection has closed, with the first GOAWAY's number (null: none came) and the time it took. */
export function closed(session: ClientHttp2Session): Promise<{ goaway: number | null; ms: number }> {
  const before = performance.now();
  let goaway: number | null = null;
  session.on("goaway", (code) => goaway ??= code);
  return new Promise((resolve) => {
    session.on("close", () => resolve({ goaway, ms: performance.now() - before }));
  });
}

/** A frame of HTTP/2, of under 256 bytes and on a stream under 256. */
export function frame(type: number, flags: number, stream: number, payload: number[] = []): number[] {
  return [0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload];
}
