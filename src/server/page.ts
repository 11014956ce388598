/** The chat page: the files of web/, read at start, under headers that let it load nothing from elsewhere. */

import { createHash } from "node:crypto";
import type { Route } from "./route.ts";

const FOLDER = new URL("../../web/", import.meta.url);

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  wav: "audio/wav",
  mp4: "video/mp4",
  woff2: "font/woff2",
};

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "connect-src 'self'",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(self), microphone=(self), geolocation=()",
  "cache-control": "no-cache",
};

interface PageFile {
  bytes: Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
}

/** `GET /` and one route a file: `/web/app.js`. The page needs a key where the models' list does. */
export const PAGE_ROUTES: readonly Route[] = [...filesUnder("")].map(([path, file]) => ({
  method: "GET",
  path: path === "index.html" ? "/" : `/web/${path}`,
  access: "status",
  handler: (request) => send(request, file),
  doc: { summary: "The chat page", type: file.headers["content-type"] },
}));

function* filesUnder(folder: string): Generator<[path: string, file: PageFile]> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, FOLDER))) {
    const path = `${folder}${name}`;
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)];
    if (isDirectory) yield* filesUnder(`${path}/`);
    else if (type !== undefined) yield [path, read(path, type)];
  }
}

function read(path: string, type: string): PageFile {
  const bytes = Deno.readFileSync(new URL(path, FOLDER));
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  return { bytes, headers: { ...PAGE_HEADERS, "content-type": type, etag } };
}

function send(request: Request, { bytes, headers }: PageFile): Response {
  const known = request.headers.get("if-none-match")?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return known?.includes(headers.etag)
    ? new Response(null, { status: 304, headers })
    : new Response(bytes, { headers });
}
