/** What is long is handled in pieces, and what was parsed is neither written out again nor changed. */

import fc from "fast-check";
import { batchHost } from "../../src/server/batch_answer.ts";
import { decodeBase64 } from "../../src/server/fetch_media.ts";
import { DEFAULT_LIMITS } from "../../src/server/limits.ts";
import { assertEquals } from "../support/assert.ts";
import { dataUrl, startServer } from "../support/server_harness.ts";

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

Deno.test(
  {
    name: "a batch's request is answered from what was parsed",
    sanitizeOps: false,
    sanitizeResources: false,
  },
  async () => {
    const server = await startServer();
    const failures: unknown[] = [];
    const { answer } = batchHost(server.context, (error) => failures.push(error));
    const tools = [{ type: "function", function: { name: "find", parameters: { type: "object" } } }];
    const image = { type: "image_url", image_url: { url: dataUrl("64x96") } };
    const content = [{ type: "text", text: "call find {}" }, image];
    for (
      const [path, body, said] of [
        ["/v1/chat/completions", { messages: [{ role: "user", content }], tools }, /"name":"find"/],
        ["/v1/chat/completions", { messages: [{ role: "user", content: [image] }] }, /6 image tokens/],
        ["/v1/responses", { input: "echo: heard", metadata: { a: "b" } }, /"text":"heard"/],
        ["/v1/completions", { prompt: "echo: heard", max_tokens: 5 }, /"text_completion"/],
      ] as const
    ) {
      for (let time = 0; time < 2; time++) { // a server that is full is asked again with the same body
        const sent = await answer("owner", path, frozen(structuredClone(body)), undefined);
        assertEquals([sent.status, said.test(JSON.stringify(sent.body))], [200, true], JSON.stringify(sent));
      }
    }
    const { status, body } = await answer("owner", "/v1/chat/completions", { messages: 5 }, undefined);
    assertEquals([status, (body as { error: { param: string } }).error.param], [400, "messages"]);
    assertEquals(failures, []);
    await server.close();
  },
);

Deno.test("property: base64 in pieces is what it is in one", async () => {
  const bytes = Uint8Array.from({ length: (4 << 20) + 8 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
  const piece = 1 << 20;
  /** Lengths whose ends and pieces' ends fall everywhere; what is put in, and where. */
  const text = fc.record({
    pieces: fc.integer({ min: 0, max: 4 }),
    more: fc.integer({ min: -5, max: 5 }),
    inserts: fc.array(fc.tuple(fc.nat(), fc.constantFrom(" ", "\n", "=", "==", "*", " ".repeat(piece + 1))), {
      maxLength: 2,
    }),
    ends: fc.constantFrom("", "=", "==", "A", "\n", "= ="),
    padded: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(text, async ({ pieces, more, inserts, ends, padded }) => {
      const length = Math.max(0, pieces * piece * 3 / 4 + more);
      let base64 = bytes.subarray(0, length).toBase64({ omitPadding: !padded });
      for (const [at, put] of inserts) {
        // Near the ends of pieces.
        const place = Math.min(base64.length, (at % 5) * piece + (at % 7) - 3);
        base64 = base64.slice(0, Math.max(0, place)) + put + base64.slice(Math.max(0, place));
      }
      base64 += ends;
      let want: Uint8Array | null = null;
      try {
        const whole = Uint8Array.fromBase64(base64);
        if (whole.length > 0) want = whole;
      } catch { /* none */ }
      const got = await decodeBase64(base64, { kind: "video", param: "x" }, DEFAULT_LIMITS)
        .catch(({ code }) => code as string);
      if (want === null) assertEquals(got, "invalid_base64");
      else {
        assertEquals([got.length, (got as Uint8Array).buffer.byteLength], [want.length, want.length]);
        assertEquals(indexOfDifference(got as Uint8Array, want), -1);
      }
    }),
    { numRuns: 60, seed: 4 },
  );
});

const indexOfDifference = (a: Uint8Array, b: Uint8Array) => a.findIndex((byte, i) => byte !== b[i]);
