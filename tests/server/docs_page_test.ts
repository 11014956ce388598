/** The OpenAPI document and the docs page: they tell of every route; the page runs nothing and loads nothing from elsewhere. */

import { openapiDocument } from "../../src/server/openapi.ts";
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
    for (const field of ["file", "purpose"]) assert(html.includes(`<code>${field}</code> *`), field);
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

Deno.test("the OpenAPI document tells of forms and of conflicts", () => {
  type Operation = { requestBody?: { content: Record<string, { schema: unknown }> }; responses: object };
  const { paths } = openapiDocument(ROUTES, true) as { paths: Record<string, Record<string, Operation>> };
  const upload = paths["/v1/files"].post.requestBody!.content;
  assertEquals(Object.keys(upload), ["multipart/form-data"]);
  const { properties, required } = upload["multipart/form-data"].schema as {
    properties: Record<string, Record<string, unknown>>;
    required: string[];
  };
  assertEquals([properties.file.format, properties.purpose.const, required], [
    "binary",
    "batch",
    ["file", "purpose"],
  ]);
  const conflicts = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).filter(([, { responses }]) => "409" in responses).map(([method]) =>
      `${method} ${path}`
    )
  );
  assertEquals(conflicts, ["delete /v1/files/{id}", "post /v1/batches/{id}/cancel"]);
  assertEquals(Object.keys(paths["/v1/batches"].post.requestBody!.content), ["application/json"]);
});
