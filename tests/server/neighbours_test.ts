/** What those who come from vLLM, llama-server or a wrong base URL would stumble over. */

import { FAKE_CARD } from "../../src/engine/fake/prompt.ts";
import { wishesOf } from "../../src/server/wishes.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { startServer, user } from "../support/server_harness.ts";

Deno.test("a seed of -1 is none, as there", () => {
  const seeds = (seed: number) => [1, 2].map(() => wishesOf({ seed }, FAKE_CARD, 300).sampling.seed);
  const [one, other] = seeds(-1);
  assert(one !== other, "the same answer each time");
  assertEquals(seeds(7), [7, 7]);
  assertEquals(seeds(-2), [2 ** 32 - 2, 2 ** 32 - 2]);
});

Deno.test(
  { name: "addresses and fields of other servers", sanitizeOps: false, sanitizeResources: false },
  async (t) => {
    const server = await startServer();

    await t.step("an address that is nearly one says which", async () => {
      for (
        const [path, right] of [
          ["/chat/completions", "/v1/chat/completions"],
          ["/v1/v1/chat/completions", "/v1/chat/completions"],
          ["/v1/chat/completions/", "/v1/chat/completions"],
          ["/models", "/v1/models"],
          ["/v1/tokenize", "/tokenize"],
          ["/v1/health", "/health"],
        ]
      ) {
        const response = await fetch(server.url + path);
        const { error } = await response.json();
        assertEquals([response.status, error.code], [404, "not_found"], path);
        assertMatch(error.message, new RegExp(`; ${right} is here$`));
      }
      const { error } = await (await fetch(`${server.url}/v1/embeddings`)).json();
      assertEquals(error.message, "There is nothing at this address");
    });

    await t.step("a model's name that is no text", async () => {
      const response = await fetch(`${server.url}/v1/models/%E0%A4`);
      assertEquals([response.status, (await response.json()).error.code], [404, "model_not_found"]);
    });

    await t.step("fields that /tokenize and /detokenize do not know are named", async () => {
      const asked = { prompt: "a", return_token_strs: true };
      const response = await server.post("/tokenize", asked);
      assertEquals([response.status, response.headers.get("x-valley-ignored")], [200, "return_token_strs"]);
      assertEquals((await response.json()).count, 1);
      const back = await server.post("/detokenize", { tokens: [97], extra: 1 });
      assertEquals([back.headers.get("x-valley-ignored"), await back.json()], ["extra", { prompt: "a" }]);
      const other = await server.post("/tokenize", { prompt: "a", truncate_prompt_tokens: 5 });
      assertEquals([other.status, (await other.json()).error.param], [400, "truncate_prompt_tokens"]);
    });

    await t.step("llama.cpp's fields: neutral ones pass, others are refused by name", async () => {
      const ask = (extra: Record<string, unknown>) => server.chat({ messages: [user("echo: a")], ...extra });
      const neutral = await ask({ cache_prompt: true, n_predict: -1, repeat_penalty: 1, mirostat: 0 });
      assertEquals([neutral.status, neutral.headers.get("x-valley-ignored")], [200, null]);
      await neutral.body!.cancel();
      for (const extra of [{ grammar: 'root ::= "a"' }, { repeat_penalty: 1.1 }, { n_predict: 5 }]) {
        const refused = await ask(extra);
        const [field] = Object.keys(extra);
        assertEquals([refused.status, (await refused.json()).error.param], [400, field]);
      }
    });

    await t.step("stream_options without a stream", async () => {
      const response = await server.chat({
        messages: [user("echo: a")],
        stream_options: { include_usage: true },
      });
      assertEquals((await response.json()).usage.completion_tokens > 0, true);
    });
    await server.close();
  },
);
