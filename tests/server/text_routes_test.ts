/** /tokenize, /detokenize, /apply-template, /metrics, /v1/loads. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { dataUrl, startServer, user } from "../support/server_harness.ts";

Deno.test(
  { name: "text routes and status routes", sanitizeOps: false, sanitizeResources: false },
  async (t) => {
    const server = await startServer();
    const post = async (path: string, body: unknown) => {
      const response = await server.post(path, body);
      return { status: response.status, json: await response.json() };
    };

    await t.step("a text there and back", async () => {
      const { json } = await post("/tokenize", { prompt: "Grüße" });
      assertEquals([json.count, json.max_model_len, json.tokens.length], [7, 8192, 7]);
      assertEquals((await post("/detokenize", { tokens: json.tokens })).json, { prompt: "Grüße" });
    });

    await t.step("a conversation, media counted", async () => {
      const messages = [user("hi", { type: "image_url", image_url: { url: dataUrl("64x64") } })];
      const { json } = await post("/tokenize", { messages });
      assertEquals(json.tokens.filter((id: number) => id === 258).length, 4);
      const rendered = await post("/apply-template", { messages });
      assertMatch(
        rendered.json.prompt,
        /^<\|im_start\|>user\n<\|media_start\|>(<\|image\|>)+<\|media_end\|>hi<\|im_end\|>\n<\|im_start\|>assistant\n$/,
      );
    });

    await t.step("bad input", async () => {
      for (
        const [path, body, param] of [
          ["/tokenize", {}, "prompt"],
          ["/tokenize", { prompt: 5 }, "prompt"],
          ["/tokenize", { prompt: "a", model: "x" }, "model"],
          ["/detokenize", { tokens: [-1] }, "tokens[0]"],
          ["/detokenize", { tokens: "a" }, "tokens"],
          ["/apply-template", { prompt: "a" }, "messages"],
        ] as const
      ) {
        const { status, json } = await post(path, body);
        assertEquals([status >= 400 && status < 500, json.error.param], [true, param], path);
      }
      assertEquals((await post("/detokenize", { tokens: [4_000_000] })).json, { prompt: "" });
    });

    await t.step("metrics and loads", async () => {
      await (await server.chat({ messages: [user("say 5 words")] })).body!.cancel();
      await new Promise((resolve) => setTimeout(resolve, 600));
      const response = await fetch(`${server.url}/metrics`);
      assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0.0.4/);
      const text = await response.text();
      for (
        const pattern of [
          /^# TYPE valley_num_requests_waiting gauge\nvalley_num_requests_waiting\{model_name="valley3-demo"\} 0$/m,
          /^valley_num_requests_running\{model_name="valley3-demo"\} 0$/m,
          /^valley_kv_cache_usage_ratio\{model_name="valley3-demo"\} 0$/m,
          /^valley_cache_config_info\{model_name="valley3-demo",block_size="16",num_gpu_blocks="2048"\} 1$/m,
          /^valley_requests_total\{model_name="valley3-demo",route="\/v1\/chat\/completions",status="200"\} 1$/m,
          /^valley_time_to_first_token_seconds_count\{model_name="valley3-demo"\} 1$/m,
          /^valley_generated_tokens_total\{model_name="valley3-demo"\} [1-9]/m,
        ]
      ) assertMatch(text, pattern);
      const loads = await (await fetch(`${server.url}/v1/loads?include=core`)).json();
      assertEquals(loads.loads[0].max_total_num_tokens, 2048 * 16);
      assert(Date.parse(loads.timestamp) > 0);
    });
    await server.close();
  },
);
