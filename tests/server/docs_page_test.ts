/** The docs page tells of every route, runs nothing and loads nothing from elsewhere. */

import { ROUTES } from "../../src/server/routes.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { startServer } from "../support/server_harness.ts";

Deno.test("GET /docs", async () => {
  const server = await startServer();
  try {
    const response = await fetch(`${server.url}/docs`);
    assertEquals([response.status, response.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    assertMatch(response.headers.get("content-security-policy")!, /default-src 'none'/);
    const html = await response.text();
    for (const { method, path } of ROUTES) {
      assert(html.includes(`<code>${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}")}</code>`), path);
    }
    for (const field of ["messages", "response_format", "thinking_token_budget", "mm_processor_kwargs"]) {
      assert(html.includes(`<code>${field}</code>`), field);
    }
    assert(!/<script|https?:\/\/|\son\w+=/.test(html), "a script or an outside address");
    for (const [, path] of html.matchAll(/(?:href|src)="([^"]+)"/g)) {
      const linked = await fetch(server.url + path);
      assertEquals(linked.status, 200, path);
      await linked.body!.cancel();
    }
  } finally {
    await server.close();
  }
});
