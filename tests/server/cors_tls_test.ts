/** Pages of other origins, and HTTPS. */

import { DEFAULT_HTTP, listen } from "../../src/server/http_server.ts";
import { ROUTES } from "../../src/server/routes.ts";
import { assertEquals } from "../support/assert.ts";
import { certificate } from "../support/certificate.ts";
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
  const tls = await certificate();
  if (tls === null) return;
  const server = await listen(
    { ...DEFAULT_HTTP, port: 0, tls },
    () => Response.json({ status: "ok" }),
    () => {},
  );
  const client = Deno.createHttpClient({ caCerts: [tls.cert] });
  try {
    const response = await fetch(`https://localhost:${server.port}/health`, { client });
    assertEquals(await response.json(), { status: "ok" });
  } finally {
    client.close();
    server.destroy();
    await server.close();
  }
});
