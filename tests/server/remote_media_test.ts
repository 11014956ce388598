/** Media at addresses: what is fetched, what is refused, and that nothing else is ever dialled. */

import http from "node:http";
import type { AddressInfo } from "node:net";
import { isPublicAddress } from "../../src/server/addresses.ts";
import { RemoteMedia } from "../../src/server/remote_media.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { dataUrl, startServer, type TestServer, user } from "../support/server_harness.ts";

/** A host with media, and what was asked of it. */
async function mediaHost() {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.headers.host} ${request.url}`);
    const path = request.url ?? "";
    if (path === "/picture") response.end("64x64");
    else if (path.startsWith("/to?")) {
      response.writeHead(302, { location: decodeURIComponent(path.slice(4)) }).end();
    } else if (path === "/large") response.writeHead(200, { "content-length": "999999999" }).flushHeaders();
    else if (path === "/endless") {
      const timer = setInterval(() => response.write(new Uint8Array(1 << 16)), 1);
      response.on("close", () => clearInterval(timer));
    } else if (path === "/packed") response.writeHead(200, { "content-encoding": "gzip" }).end("64x64");
    else if (path === "/cut") {
      response.writeHead(200, { "content-length": "100" });
      response.write("64x64");
      setTimeout(() => response.destroy(), 50);
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = (server.address() as AddressInfo).port;
  return {
    port,
    asked,
    close: () => new Promise<void>((done) => (server.closeAllConnections(), server.close(() => done()))),
  };
}

async function look(server: TestServer, url: string): Promise<[number, string]> {
  const response = await server.chat({
    messages: [user("Look.", { type: "image_url", image_url: { url } })],
  });
  const { choices, error } = await response.json();
  return [response.status, error?.code ?? choices[0].message.content];
}

/** Ways to spell an address that nobody may reach. */
const REFUSED = [
  "http://127.0.0.1/",
  "http://2130706433/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://localhost/",
  "http://localhost./",
  "http://LOCALHOST/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://0.0.0.0/",
  "http://0/",
  "http://10.0.0.1/",
  "http://172.16.0.1/",
  "http://192.168.1.1/",
  "http://169.254.169.254/latest/meta-data/",
  "http://[fe80::1]/",
  "http://[fc00::1]/",
  "http://100.64.0.1/",
  "http://metadata.google.internal/",
  "https://127.0.0.1/",
  "http://user:pass@media.test/",
  "http://media.test@127.0.0.1/",
  "http://media.test#@127.0.0.1/",
  "http://media.test:22/",
  "http://media.test.evil.test/",
  "http://evil.test/?media.test",
  "http://media.test\\@evil.test/",
  "http://evil.test/\r\nHost: media.test",
  "ftp://media.test/a",
  "gopher://media.test/a",
  "file:///etc/passwd",
  "file://media.test/etc/passwd",
  "/etc/passwd",
  "../../etc/passwd",
  "blob:http://media.test/1",
  "javascript:1",
  "http:",
  "http://",
  "https:///",
  "http://private.test/picture",
  "http://mixed.test/picture",
  "http://nowhere.test/picture",
];

Deno.test("media at addresses", async (t) => {
  const host = await mediaHost();
  const { port } = host;
  // None of these is ever dialled: each has a private address.
  const names: Record<string, string[]> = {
    "media.test": ["192.168.7.7"],
    "private.test": ["10.0.0.7"],
    "mixed.test": ["93.184.216.34", "127.0.0.1"],
  };
  const resolved: string[] = [];
  const resolve = (name: string) => {
    resolved.push(name);
    return name in names ? Promise.resolve(names[name]) : Promise.reject(new Error("no such name"));
  };
  // The one address that is allowed is spelled as such.
  const hosts = [`127.0.0.1:${port}`, "media.test", "private.test", "mixed.test", "nowhere.test"];
  const server = await startServer({
    media: { remote: new RemoteMedia(hosts, resolve), folder: null },
    limits: { imageBytes: 1 << 20 },
  });
  const own = `http://127.0.0.1:${port}`;
  try {
    await t.step("an allowed host's picture is fetched", async () => {
      assertEquals(await look(server, `${own}/picture`), [200, "I got 4 image tokens."]);
      assertEquals(host.asked, [`127.0.0.1:${port} /picture`]);
    });
    await t.step("redirects are checked like the first address", async () => {
      const to = (url: string) => `${own}/to?${encodeURIComponent(url)}`;
      assertEquals(await look(server, to("/picture")), [200, "I got 4 image tokens."]);
      for (
        const url of [
          "http://localhost/x",
          "http://169.254.169.254/",
          "file:///etc/passwd",
          `http://localhost:${port}/picture`,
        ]
      ) {
        const [status, code] = await look(server, to(url));
        assertEquals([status, code !== "remote_media_failed"], [400, true], url);
      }
      assertEquals(await look(server, to("http://private.test/")), [400, "remote_media_refused"]);
      assertEquals(await look(server, to(to(to(to("/picture"))))), [400, "remote_media_failed"]);
    });
    await t.step("too large, cut off, packed, missing", async () => {
      assertEquals(await look(server, `${own}/large`), [413, "image_too_large"]);
      assertEquals(await look(server, `${own}/endless`), [413, "image_too_large"]);
      for (const path of ["cut", "packed", "gone"]) {
        assertEquals(await look(server, `${own}/${path}`), [400, "remote_media_failed"], path);
      }
    });
    await t.step("whatever else is named is refused, and nothing is dialled", async () => {
      const before = host.asked.length;
      for (const url of REFUSED) {
        const [status, code] = await look(server, url);
        assertEquals(status, 400, `${url}: ${code}`);
        assert(!/\d+\.\d+\.\d+\.\d+/.test(code), code);
      }
      assertEquals(host.asked.length, before);
      assertEquals([...new Set(resolved)].sort(), [
        "media.test",
        "mixed.test",
        "nowhere.test",
        "private.test",
      ]);
    });
  } finally {
    await server.close();
    await host.close();
  }
});

Deno.test("by default nothing is fetched or read", async () => {
  const server = await startServer();
  try {
    assertEquals(await look(server, "https://example.com/a.png"), [400, "remote_media_disabled"]);
    assertEquals(await look(server, "file:///etc/hostname"), [400, "local_media_disabled"]);
    assertEquals(await look(server, "a.png"), [400, "local_media_disabled"]);
    assertEquals(await look(server, dataUrl("64x64")), [200, "I got 4 image tokens."]);
  } finally {
    await server.close();
  }
});

Deno.test("files of the allowed folder, and none that lies elsewhere", async () => {
  const outer = await Deno.makeTempDir();
  const folder = `${outer}/media`;
  await Deno.mkdir(`${folder}/deep`, { recursive: true });
  await Deno.mkdir(`${outer}/media-private`);
  for (const path of ["media/a.png", "media/deep/ä b.png", "secret.png", "media-private/s.png"]) {
    await Deno.writeTextFile(`${outer}/${path}`, "64x64");
  }
  await Deno.symlink(`${outer}/secret.png`, `${folder}/link.png`);
  await Deno.symlink(outer, `${folder}/up`);
  const server = await startServer({
    media: { remote: new RemoteMedia([]), folder },
    limits: { imageBytes: 1 << 20 },
  });
  const seen = [200, "I got 4 image tokens."], missing = [400, "local_media_not_found"];
  try {
    for (
      const name of [
        `file://${folder}/a.png`,
        "a.png",
        "deep/ä b.png",
        `file://${folder}/deep/%C3%A4%20b.png`,
        `${folder}/a.png`,
      ]
    ) {
      assertEquals(await look(server, name), seen, name);
    }
    for (
      const name of [
        "link.png",
        "up/secret.png",
        "../secret.png",
        `file://${folder}/../secret.png`,
        `file://${folder}/%2e%2e/secret.png`,
        `${outer}/media-private/s.png`,
        `file://elsewhere${folder}/a.png`,
        "deep",
        "a.png\0.jpg",
        "",
        "none.png",
        "file:///dev/zero",
      ]
    ) {
      assertEquals(await look(server, name), missing, name);
    }
    await Deno.truncate(`${folder}/a.png`, (1 << 20) + 1);
    assertEquals(await look(server, "a.png"), [413, "image_too_large"]);
  } finally {
    await server.close();
    await Deno.remove(outer, { recursive: true });
  }
});

Deno.test("what counts as private", () => {
  for (const address of ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111"]) {
    assert(isPublicAddress(address), address);
  }
  const inside = [
    "127.0.0.1",
    "10.255.255.255",
    "172.31.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.127.0.1",
    "0.0.0.0",
  ];
  const six = [
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "::ffff:8.8.8.8",
    "2002:7f00:1::",
    "64:ff9b::a00:1",
    "2001:db8::1",
    "ff02::1",
  ];
  for (const address of [...inside, ...six, "x", ""]) assert(!isPublicAddress(address), address);
});
