/** Keys, their limits, and host names, on every route. */

import { createHash } from "node:crypto";
import http from "node:http";
import { assertEquals, assertGreater, assertThrows } from "../support/assert.ts";
import { startServer, user } from "../support/server_harness.ts";
import { ROUTES } from "../../src/server/routes.ts";
import { Keys, parseKeys } from "../../src/server/auth.ts";

const digest = (key: string) => createHash("sha256").update(key).digest("hex");

Deno.test("a key file is read strictly", async () => {
  const keys = parseKeys(
    `# team\n\n${digest("one")} shop-a concurrent=2 per-minute=3\nsha256:${digest("two")} shop-b\n`,
  );
  assertEquals([...keys.values()], [
    { name: "shop-a", concurrent: 2, perMinute: 3 },
    { name: "shop-b", concurrent: null, perMinute: null },
  ]);
  for (const line of ["sk-plain key", digest("x"), `${digest("x")} a b`, `${digest("x")} a concurrent=0`]) {
    await assertThrows(() => parseKeys(line), /line 1/);
  }
});

Deno.test("a rate is over a minute", () => {
  const keys = new Keys(parseKeys(`${digest("k")} a per-minute=2`));
  const key = keys.authenticate(new Headers({ authorization: "Bearer k" }));
  const code = (now: number) => {
    try {
      keys.take(key, now)();
      return "taken";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assertEquals([0, 1000, 2000, 59_000, 60_001, 60_500].map(code), [
    "taken",
    "taken",
    "rate_limit",
    "rate_limit",
    "taken",
    "rate_limit",
  ]);
});

Deno.test({ name: "auth over HTTP", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const keys = new Keys(parseKeys(`${digest("key-a")} a concurrent=1\n${digest("key-b")} b`));
  const server = await startServer({ keys, hosts: ["127.0.0.1"] });
  const bearer = (key: string) => ({ "content-type": "application/json", authorization: `Bearer ${key}` });

  await t.step("every route but the open ones refuses who has no key", async () => {
    for (const { method, path, access } of ROUTES) {
      const address = server.url + path.replace(/:id(\{.*\})?/, "valley3-demo");
      for (
        const headers of [{}, { authorization: "Bearer no" }, { authorization: "Basic key-a" }, {
          authorization: `Bearer ${digest("key-a")}`,
        }]
      ) {
        const response = await fetch(address, { method, headers: headers as HeadersInit });
        const { error } = await response.json();
        assertEquals([path, response.status, error?.type], [
          path,
          access === "open" ? 200 : 401,
          access === "open" ? undefined : "authentication_error",
        ]);
      }
    }
  });

  await t.step("a key opens; it may also come as x-api-key", async () => {
    for (const header of [["authorization", "Bearer key-a"], ["x-api-key", "key-b"]]) {
      const response = await fetch(`${server.url}/v1/models`, { headers: [header as [string, string]] });
      assertEquals(response.status, 200);
      await response.body!.cancel();
    }
  });

  await t.step("looking at one's batches counts against nothing", async () => {
    const leaving = new AbortController();
    const body = { stream: true, messages: [user("forever")] };
    const running = await server.chat(body, { headers: bearer("key-a"), signal: leaving.signal });
    const look = await fetch(`${server.url}/v1/batches`, { headers: bearer("key-a") });
    assertEquals([running.status, look.status, (await look.json()).error.code], [200, 400, "no_state"]);
    leaving.abort();
    await server.idle();
  });

  await t.step("requests at a time", async () => {
    const leaving = new AbortController();
    const body = { stream: true, messages: [user("forever")] };
    const first = await server.chat(body, { headers: bearer("key-a"), signal: leaving.signal });
    assertEquals(first.status, 200);
    const second = await server.chat(body, { headers: bearer("key-a") });
    assertEquals([second.status, (await second.json()).error.code], [429, "concurrency_limit"]);
    assertGreater(Number(second.headers.get("retry-after")), 0);
    leaving.abort();
    await server.idle();
    const third = await server.chat({ messages: [user("echo: hi")] }, { headers: bearer("key-a") });
    assertEquals(third.status, 200);
    await third.body!.cancel();
  });

  await t.step("keys share no cache", async () => {
    const messages = [user("echo: " + "the same beginning ".repeat(20))];
    const cached = async (key: string) => {
      const response = await server.chat({ messages }, { headers: bearer(key) });
      return (await response.json()).usage.prompt_tokens_details.cached_tokens;
    };
    assertEquals(await cached("key-a"), 0);
    assertGreater(await cached("key-a"), 0);
    assertEquals(await cached("key-b"), 0);
  });

  await t.step("a foreign host name is refused", async () => {
    const status = await new Promise<number>((resolve) =>
      http.get(
        { host: "127.0.0.1", port: server.port, path: "/health", headers: { host: "evil.test" } },
        (response) => {
          response.resume();
          resolve(response.statusCode!);
        },
      )
    );
    assertEquals(status, 403);
  });

  await t.step("keys are not in the log", () => {
    assertEquals(server.log.filter((line) => line.includes("key-a") || line.includes(digest("key-a"))), []);
  });
  await server.close();
});

Deno.test({ name: "no key takes all places", sanitizeOps: false, sanitizeResources: false }, async () => {
  const keys = new Keys(parseKeys(`${digest("key-a")} a\n${digest("key-b")} b`));
  const server = await startServer({ keys, model: { maxSequences: 2 }, engine: { maxWaiting: 4 } });
  const leaving = new AbortController();
  const open: Response[] = []; // one that is collected as garbage is cancelled, and gives its place back
  const ask = (key: string) =>
    server.chat({ stream: true, messages: [user("forever")] }, {
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      signal: leaving.signal,
    }).then((response) => {
      open.push(response);
      return response.status;
    });
  // Alone it may have all six.
  const alone = await Promise.all(Array.from({ length: 8 }, () => ask("key-a")));
  assertEquals(alone.filter((status) => status === 200).length, 6);
  assertEquals(await ask("key-b"), 429); // full as it is
  leaving.abort();
  await server.idle();
  await server.close();

  const shared = await startServer({ keys, model: { maxSequences: 2 }, engine: { maxWaiting: 4 } });
  const stop = new AbortController();
  const asked = async (key: string) => {
    const response = await shared.chat({ stream: true, messages: [user("forever")] }, {
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      signal: stop.signal,
    });
    open.push(response);
    return response.status;
  };
  assertEquals(await asked("key-b"), 200);
  const statuses = await Promise.all(Array.from({ length: 6 }, () => asked("key-a")));
  assertEquals(statuses.filter((status) => status === 200).length, 3);
  assertEquals([await asked("key-b"), await asked("key-b"), await asked("key-b")], [200, 200, 429]);
  stop.abort();
  await shared.idle();
  await shared.close();
});
