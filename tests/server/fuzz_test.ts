/** 2,000 malformed bodies: mutations of valid ones and raw bytes. Each is answered, none with a 5xx. */

import { assert, assertEquals } from "../support/assert.ts";
import { malformedBodies } from "../../tools/campaign/bodies.ts";
import { startServer } from "../support/server_harness.ts";

Deno.test({ name: "2,000 malformed bodies", sanitizeOps: false, sanitizeResources: false }, async () => {
  const server = await startServer({ model: { stepMs: 0 } });
  const counts = new Map<number, number>();
  const bodies = malformedBodies(2000, 20261124);
  const send = async (body: Uint8Array): Promise<void> => {
    const response = await server.post("/v1/chat/completions", "", { body: body as Uint8Array<ArrayBuffer> });
    const text = await response.text();
    const shown = new TextDecoder().decode(body.slice(0, 600));
    counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
    assert(response.status < 500, `${response.status} ${text} for ${shown}`);
    if (response.status !== 200) {
      const { error } = JSON.parse(text);
      assertEquals(Object.keys(error).sort(), ["code", "message", "param", "type"], shown);
      assert(
        typeof error.message === "string" && error.message.length < 4000,
        `${text.slice(0, 300)} … ${text.length} for ${shown}`,
      );
      assert(!/0x[0-9a-f]{6,}|\/(home|work|usr)\/|at .*\.ts:/.test(text), text);
    }
  };
  for (let at = 0; at < bodies.length; at += 6) await Promise.all(bodies.slice(at, at + 6).map(send));
  assert((counts.get(400) ?? 0) > 800, JSON.stringify([...counts]));
  assert((counts.get(200) ?? 0) > 200, JSON.stringify([...counts]));
  assertEquals(server.log.filter((line) => line.includes('"failure"') || line.startsWith("failed")), []);
  const stats = await server.idle();
  assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
  await server.close();
});
