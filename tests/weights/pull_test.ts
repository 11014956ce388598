/** Pull against a hub that misbehaves in every way that was thought of: right bytes or a clear error, never others. */
import { setTimeout as pause } from "node:timers/promises";
import { pull, pulledEarlier } from "../../src/weights/pull.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { FILES, ID, isWeights, pulled, quick, WEIGHTS } from "./pull_support.ts";
import { inFolder } from "./support.ts";
import { COMMIT, type HubRequest, type Misbehave, TestHub } from "./test_hub.ts";

/** The right reply to the weights, changed the first time it is asked for. */
const once = (change: (request: HubRequest, right: Response) => Response | Promise<Response>): Misbehave =>
(
  request,
  right,
) =>
  isWeights(request) && request.times === 0 && request.range?.from === 2000 ? change(request, right()) : null;

/** A body that sends what `pieces` gives. */
const stream = (pieces: () => AsyncGenerator<Uint8Array>): BodyInit =>
  ReadableStream.from(pieces()) as unknown as BodyInit;

const withHead = (right: Response, changes: Record<string, string>, status = right.status): Response => {
  const headers = new Headers(right.headers);
  for (const [name, value] of Object.entries(changes)) headers.set(name, value);
  return new Response(right.body, { status, headers });
};

const RECOVERS: Record<string, Misbehave> = {
  "nothing wrong": () => null,
  "a part is cut off": once(async (_, right) =>
    new Response((await right.arrayBuffer()).slice(0, 300), { status: 206, headers: right.headers })
  ),
  "a part breaks off": once((_, right) =>
    withHead(
      new Response(
        stream(async function* () {
          yield new Uint8Array(100);
          await pause(1);
          throw new Error("broken");
        }),
        { status: 206, headers: right.headers },
      ),
      {},
    )
  ),
  "500": once(() => new Response("oops", { status: 500 })),
  "503 with Retry-After": once(() =>
    new Response("later", { status: 503, headers: { "retry-after": "0.01" } })
  ),
  "429": once(() => new Response("slow down", { status: 429 })),
  "416": once(() => new Response("", { status: 416 })),
  "ETag of another file": once((_, right) => withHead(right, { "x-linked-etag": `"${"ab".repeat(32)}"` })),
  "wrong total": once((_, right) => withHead(right, { "content-range": "bytes 2000-2999/9000" })),
  "other range": once((_, right) => withHead(right, { "content-range": "bytes 3000-3999/9500" })),
  "no Content-Range": once((_, right) => {
    const headers = new Headers(right.headers);
    headers.delete("content-range");
    return new Response(right.body, { status: 206, headers });
  }),
  "204": once(() => new Response(null, { status: 204 })),
  "more than asked for": once(async (_, right) =>
    new Response(new Uint8Array([...new Uint8Array(await right.arrayBuffer()), 1, 2, 3]), {
      status: 206,
      headers: right.headers,
    })
  ),
  "one byte flipped": once(async (_, right) => {
    const body = new Uint8Array(await right.arrayBuffer());
    body[7] ^= 1;
    return new Response(body, { status: 206, headers: right.headers });
  }),
  "a byte a second": once((_, right) =>
    new Response(
      stream(async function* () {
        for (let i = 0; i < 5; i++) {
          yield new Uint8Array(1);
          await pause(100);
        }
      }),
      { status: 206, headers: right.headers },
    )
  ),
  "no answer": once(async (_, right) => {
    await pause(600);
    return right;
  }),
  "no ranges": (request, right) =>
    isWeights(request) ? new Response(FILES[WEIGHTS], { headers: withHead(right(), {}).headers }) : null,
  "zipped on the way": once((_, right) => {
    const zipped = right.body!.pipeThrough(new CompressionStream("gzip"));
    return withHead(new Response(zipped, { status: 206, headers: right.headers }), {
      "content-encoding": "gzip",
    });
  }),
  "list of files: 502 first": ({ path, times }) =>
    path.startsWith("/api") && times === 0 ? new Response("bad gateway", { status: 502 }) : null,
};

/** Short, so that these need not wait long; on a busy machine a good part may then be asked for twice. */
const IMPATIENT = { headTimeout: 400, stallTimeout: 300 };
const TIMED_OUT = ["a byte a second", "no answer"];

for (const [name, misbehave] of Object.entries(RECOVERS)) {
  Deno.test(`pull recovers: ${name}`, async () => {
    const timed = TIMED_OUT.includes(name);
    const hub = await pulled(misbehave, timed ? IMPATIENT : {});
    const asked = hub.requests.filter((r) => isWeights(r) && r.range?.from === 8000).length;
    assert(timed || name === "one byte flipped" || asked <= 1, `a good part was fetched ${asked} times`);
  });
}

const listing =
  (change: (list: ReturnType<TestHub["listing"]>, hub: TestHub) => unknown) => (hub: TestHub) => {
    hub.misbehave = ({ path }) => path.startsWith("/api") ? Response.json(change(hub.listing(), hub)) : null;
  };
const always = (reply: (hub: TestHub) => Response) => (hub: TestHub) => {
  hub.misbehave = (request) => isWeights(request) ? reply(hub) : null;
};

const REFUSES: Record<string, [(hub: TestHub) => void, RegExp]> = {
  "always the wrong byte": [
    (hub) => {
      hub.misbehave = (request) => {
        if (!isWeights(request)) return null;
        const file = FILES[WEIGHTS].slice();
        file[5] ^= 1;
        return hub.part(file, request.range);
      };
    },
    /model\.safetensors: what comes is not what the hub promises \(sha256 [0-9a-f]{64}\)/,
  ],
  "always 500": [always(() => new Response("", { status: 500 })), /answers 500 to .*model\.safetensors/],
  "404": [always(() => new Response("", { status: 404 })), /answers 404 .*: it is not there/],
  "401": [always(() => new Response("", { status: 401 })), /answers 401 .*HF_TOKEN does not open it/],
  "redirect into the cloud's own network": [
    always(() => new Response("", { status: 302, headers: { location: "http://169.254.169.254/latest" } })),
    /redirect from .* to 169\.254\.169\.254: it is a link-local address/,
  ],
  "redirects in a circle": [
    always((hub) =>
      new Response("", {
        status: 302,
        headers: { location: `${hub.url}/${ID}/resolve/${COMMIT}/${WEIGHTS}` },
      })
    ),
    /more than 5 redirects/,
  ],
  "redirect to a file": [
    always(() => new Response("", { status: 302, headers: { location: "ftp://127.0.0.1/x" } })),
    /ftp is not safe/,
  ],
  "list is not JSON": [
    (hub) => {
      hub.misbehave = ({ path }) => path.startsWith("/api") ? new Response("<html>") : null;
    },
    /is not JSON/,
  ],
  "no commit": [listing((list) => ({ ...list, sha: "main" })), /has no commit/],
  "no list": [listing((list) => ({ sha: list.sha })), /list of files is missing/],
  "no digest": [
    listing((list) => ({ ...list, siblings: list.siblings.map((s) => ({ ...s, lfs: null, blobId: null })) })),
    /has no digest of/,
  ],
  "size below zero": [
    listing((list) => ({ ...list, siblings: [{ rfilename: "config.json", size: -1, blobId: "ab" }] })),
    /has no size of config\.json/,
  ],
  "the same name twice": [
    listing((list) => ({ ...list, siblings: [...list.siblings, ...list.siblings] })),
    /names a file twice/,
  ],
  "no weights": [
    listing((list) => ({
      ...list,
      siblings: list.siblings.filter((s) => !/safetensors|bin$/.test(String(s.rfilename))),
    })),
    /has no \.safetensors file and no pytorch_model\.bin/,
  ],
};

for (const [name, [prepare, wanted]] of Object.entries(REFUSES)) {
  Deno.test(`pull refuses: ${name}`, async () => {
    await using hub = new TestHub(ID, FILES);
    prepare(hub);
    await inFolder(async (root) => {
      await assertThrows(() => pull(root, ID, quick(hub)), wanted);
      assertEquals(pulledEarlier(root, ID), null);
    });
  });
}

Deno.test("pull refuses: a gzip bomb, of which little more than the limit is taken in", async () => {
  await using hub = new TestHub(ID, FILES);
  hub.misbehave = ({ path }) => {
    if (!path.startsWith("/api")) return null;
    const zeros = ReadableStream.from((async function* () {
      for (let i = 0; i < 40; i++) yield await Promise.resolve(new Uint8Array(1 << 20));
    })());
    const body = zeros.pipeThrough(new CompressionStream("gzip"));
    return new Response(body, { headers: { "content-encoding": "gzip" } });
  };
  const original = globalThis.fetch;
  let taken = 0;
  globalThis.fetch = async (...given) => {
    const reply = await original(...given);
    const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(piece, controller) {
        taken += piece.length;
        controller.enqueue(piece);
      },
    });
    return new Response(reply.body!.pipeThrough(counting), reply);
  };
  try {
    await inFolder(async (root) => {
      await assertThrows(() => pull(root, ID, quick(hub)), /is over 8388608 bytes/);
      assertEquals(pulledEarlier(root, ID), null);
    });
  } finally {
    globalThis.fetch = original;
  }
  assert(taken > 8 << 20 && taken < 10 << 20, `${taken} bytes were taken in`);
});
