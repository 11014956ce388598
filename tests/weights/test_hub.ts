/** A hub of the test's own: serves folders of files as Hugging Face does, and misbehaves where it is told to. */
import { createHash } from "node:crypto";

export interface HubRequest {
  /** Path with query. */
  path: string;
  range: { from: number; to: number } | null;
  authorization: string | null;
  /** How often this path and range were asked for before. */
  times: number;
}

/** A reply in place of the right one; null: the right one. */
export type Misbehave = (
  request: HubRequest,
  right: () => Response,
) => Response | null | Promise<Response | null>;

export const COMMIT = "c0ffee".padEnd(40, "0");

export class TestHub implements AsyncDisposable {
  readonly requests: HubRequest[] = [];
  /** Bytes of files sent. */
  sent = 0;
  misbehave: Misbehave = () => null;
  /** Names of large files; the others carry git's digest. */
  large = (name: string): boolean => name.endsWith(".safetensors");
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #counts = new Map<string, number>();

  constructor(readonly id: string, readonly files: Record<string, Uint8Array<ArrayBuffer>>) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (r) => this.#answer(r));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname + url.search;
    const said = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
    const range = said === null ? null : { from: Number(said[1]), to: Number(said[2]) };
    const key = `${path} ${range?.from}`;
    const times = this.#counts.get(key) ?? 0;
    this.#counts.set(key, times + 1);
    const seen = { path, range, authorization: request.headers.get("authorization"), times };
    this.requests.push(seen);
    return await this.misbehave(seen, () => this.#right(url, range)) ?? this.#right(url, range);
  }

  #right(url: URL, range: HubRequest["range"]): Response {
    if (url.pathname === `/api/models/${this.id}/revision/main`) return Response.json(this.listing());
    const name = new RegExp(`^/(?:${this.id}/resolve/${COMMIT}|cdn)/(.+)$`).exec(url.pathname)?.[1];
    const file = name === undefined ? undefined : this.files[name];
    if (file === undefined) return new Response("not found", { status: 404 });
    return this.part(file, range, { "x-linked-etag": `"${this.digest(file)}"` });
  }

  part(
    file: Uint8Array<ArrayBuffer>,
    range: HubRequest["range"],
    headers: Record<string, string> = {},
  ): Response {
    if (range === null) return new Response(file, { headers });
    const body = file.slice(range.from, range.to + 1);
    this.sent += body.length;
    const said = { "content-range": `bytes ${range.from}-${range.to}/${file.length}`, ...headers };
    return new Response(body, { status: 206, headers: said });
  }

  digest(file: Uint8Array): string {
    return createHash("sha256").update(file).digest("hex");
  }

  listing(): { sha: string; siblings: Record<string, unknown>[] } {
    const siblings = Object.entries(this.files).map(([rfilename, bytes]) => {
      const size = bytes.length;
      if (this.large(rfilename)) return { rfilename, size, lfs: { sha256: this.digest(bytes), size } };
      const blobId = createHash("sha1").update(`blob ${size}\0`).update(bytes).digest("hex");
      return { rfilename, size, blobId };
    });
    return { sha: COMMIT, siblings };
  }
}
