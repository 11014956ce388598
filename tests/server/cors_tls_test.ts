/** Pages of other origins, and HTTPS. */

import { DEFAULT_HTTP, listen } from "../../src/server/http_server.ts";
import { ROUTES } from "../../src/server/routes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { startServer, user } from "../support/server_harness.ts";

Deno.test("CORS: named origins may, others may not", async () => {
  const server = await startServer({ cors: ["https://shop.test"] });
  const ask = (method: string, headers: Record<string, string>) =>
    fetch(`${server.url}/v1/chat/completions`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(method === "POST" ? { body: JSON.stringify({ messages: [user("echo: a")] }) } : {}),
    });
  try {
    const before = await ask("OPTIONS", {
      origin: "https://shop.test",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization, content-type, x-stainless-os, x-evil",
    });
    assertEquals(before.status, 204);
    assertEquals(before.headers.get("access-control-allow-origin"), "https://shop.test");
    assertEquals(
      before.headers.get("access-control-allow-headers"),
      "authorization, content-type, x-stainless-os",
    );
    assertEquals(before.headers.get("access-control-allow-credentials"), null);
    const methods = before.headers.get("access-control-allow-methods")!.split(", ");
    assertEquals(ROUTES.filter(({ method }) => !methods.includes(method)).map(({ path }) => path), []);
    const answer = await ask("POST", { origin: "https://shop.test" });
    assertEquals([answer.status, answer.headers.get("access-control-allow-origin")], [
      200,
      "https://shop.test",
    ]);
    assertEquals((await answer.json()).choices[0].message.content, "a");
    for (const origin of ["https://evil.test", "https://shop.test.evil.test", "http://shop.test", "null"]) {
      const refused = await ask("OPTIONS", { origin, "access-control-request-method": "POST" });
      assertEquals([refused.status, refused.headers.get("access-control-allow-origin")], [405, null], origin);
      await refused.body!.cancel();
      const unread = await ask("POST", { origin });
      assertEquals(unread.headers.get("access-control-allow-origin"), null, origin);
      await unread.body!.cancel();
    }
  } finally {
    await server.close();
  }
});

Deno.test("HTTPS with a certificate of one's own", async () => {
  const openssl = new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" });
  if (!await openssl.output().then(({ success }) => success, () => false)) {
    console.log("skipped: no openssl here");
    return;
  }
  const folder = await Deno.makeTempDir();
  const { success } = await new Deno.Command("openssl", {
    args: [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      `${folder}/key.pem`,
      "-out",
      `${folder}/cert.pem`,
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  assert(success, "openssl made no certificate");
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => Deno.readTextFileSync(`${folder}/${name}`));
  const server = await listen(
    { ...DEFAULT_HTTP, port: 0, tls: { cert, key } },
    () => Response.json({ status: "ok" }),
    () => {},
  );
  const client = Deno.createHttpClient({ caCerts: [cert] });
  try {
    const response = await fetch(`https://localhost:${server.port}/health`, { client });
    assertEquals(await response.json(), { status: "ok" });
  } finally {
    client.close();
    server.destroy();
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
});
