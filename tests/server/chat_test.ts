/** Chat completions over a real socket: whole and streamed. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { contentOf, readStream, startServer, user } from "../support/server_harness.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

Deno.test({ name: "chat completions", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer();
  const ask = async (body: Record<string, unknown>): Promise<Json> => {
    const response = await server.chat(body);
    const json = await response.json();
    assertEquals(response.status, 200, JSON.stringify(json));
    return json;
  };

  await t.step("whole: shape and usage", async () => {
    const answer = await ask({ model: "valley3-demo", messages: [user("say 3 words")] });
    assertMatch(answer.id, /^chatcmpl-[0-9a-f]{32}$/);
    assertEquals(answer.object, "chat.completion");
    assertEquals(answer.model, "valley3-demo");
    assertEquals(answer.choices, [{
      index: 0,
      message: { role: "assistant", content: "word1 word2 word3", refusal: null },
      logprobs: null,
      finish_reason: "stop",
    }]);
    const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
    assertEquals(completion_tokens, "word1 word2 word3".length + 1);
    assertEquals(total_tokens, prompt_tokens + completion_tokens);
  });

  await t.step("streamed: role, deltas, finish, usage, DONE", async () => {
    const response = await server.chat({
      stream: true,
      stream_options: { include_usage: true },
      messages: [user("say 30 words")],
    });
    assertMatch(response.headers.get("content-type")!, /^text\/event-stream/);
    const { chunks, done } = await readStream(response);
    assertEquals(done, true);
    assertEquals(chunks[0].choices[0].delta, { role: "assistant", content: "" });
    assertEquals(contentOf(chunks), Array.from({ length: 30 }, (_, i) => `word${i + 1}`).join(" "));
    const finishes = chunks.flatMap(({ choices }) => choices).map((choice) => choice.finish_reason).filter(
      Boolean,
    );
    assertEquals(finishes, ["stop"]);
    assertEquals(chunks.at(-1)!.choices, []);
    assertEquals((chunks.at(-1)!.usage as Json).completion_tokens, contentOf(chunks).length + 1);
    assertEquals(new Set(chunks.map(({ id }) => id)).size, 1);
    const plain = await readStream(await server.chat({ stream: true, messages: [user("say 2 words")] }));
    assertEquals(plain.chunks.every((chunk) => !("usage" in chunk)), true);
  });

  await t.step("characters of several tokens stay whole, streamed as whole", async () => {
    const whole = await ask({ messages: [user("unicode")] });
    const { chunks } = await readStream(await server.chat({ stream: true, messages: [user("unicode")] }));
    assertEquals(whole.choices[0].message.content, "Grüße, 世界! 👩‍👩‍👧‍👦 naïve — Ελλάδα.");
    assertEquals(contentOf(chunks), whole.choices[0].message.content);
    assertEquals(chunks.some((chunk) => JSON.stringify(chunk).includes("\ufffd")), false);
  });

  await t.step("max_tokens and its newer name", async () => {
    for (const field of ["max_tokens", "max_completion_tokens"]) {
      const answer = await ask({ [field]: 5, messages: [user("say 3 words")] });
      assertEquals(answer.choices[0].message.content, "word1");
      assertEquals(answer.choices[0].finish_reason, "length");
      assertEquals(answer.usage.completion_tokens, 5);
    }
  });

  await t.step("stop strings across token borders, held back in streams", async () => {
    for (
      const [stop, content] of [["ord2", "word1 w"], [["zzz", "2 word3"], "word1 word"], [
        " word",
        "word1",
      ]] as const
    ) {
      const answer = await ask({ stop, messages: [user("say 9 words")] });
      assertEquals(answer.choices[0].message.content, content);
      assertEquals(answer.choices[0].finish_reason, "stop");
      const { chunks } = await readStream(
        await server.chat({ stream: true, stop, messages: [user("say 9 words")] }),
      );
      assertEquals(contentOf(chunks), content);
    }
    const never = await ask({ stop: ["word3x", "word33"], messages: [user("say 3 words")] });
    assertEquals(never.choices[0].message.content, "word1 word2 word3");
  });

  await t.step("stop ids, ignore_eos", async () => {
    const stopped = await ask({ stop_token_ids: ["3".charCodeAt(0)], messages: [user("say 9 words")] });
    assertEquals(stopped.choices[0].message.content, "word1 word2 word");
    const on = await ask({ ignore_eos: true, max_tokens: 8, messages: [user("echo: hi")] });
    assertEquals(on.choices[0].finish_reason, "length");
    assertEquals(on.usage.completion_tokens, 8);
  });

  await t.step("several choices", async () => {
    const answer = await ask({ n: 3, messages: [user("say 2 words")] });
    assertEquals(answer.choices.map((choice: Json) => [choice.index, choice.message.content]), [
      [0, "word1 word2"],
      [1, "word1 word2"],
      [2, "word1 word2"],
    ]);
    assertEquals(answer.usage.completion_tokens, 3 * 12);
    const { chunks, done } = await readStream(
      await server.chat({ n: 3, stream: true, messages: [user("say 9 words")] }),
    );
    assertEquals([0, 1, 2].map((index) => contentOf(chunks, index).split(" ").length), [9, 9, 9]);
    assertEquals(done, true);
  });

  await t.step("thoughts are split off", async () => {
    for (
      const body of [{ messages: [user("think, echo: yes")] }, {
        reasoning_effort: "high",
        messages: [user("echo: yes")],
      }]
    ) {
      const { message } = (await ask(body)).choices[0];
      assertEquals([message.content, message.reasoning], ["yes", "The user wrote something. I answer it."]);
      assertEquals(message.reasoning_content, message.reasoning);
      const { chunks } = await readStream(await server.chat({ ...body, stream: true }));
      assertEquals(contentOf(chunks), "yes");
      const thought = chunks.map(({ choices }) => choices[0].delta.reasoning_content ?? "").join("");
      assertEquals(thought, message.reasoning);
    }
    const minimal =
      (await ask({ reasoning_effort: "minimal", messages: [user("echo: yes")] })).choices[0].message;
    assertEquals([minimal.content, minimal.reasoning], ["yes", undefined]);
    assertEquals(
      (await ask({ messages: [user("think, echo: yes")] })).usage.completion_tokens_details.reasoning_tokens >
        0,
      true,
    );
  });

  await t.step("tool calls, and their results back in", async () => {
    const tools = [{ type: "function", function: { name: "search", parameters: { type: "object" } } }];
    const messages = [user('call search {"q": "a  b", "n": 1.0} and call search')];
    const answer = await ask({ tools, messages });
    assertEquals(answer.choices[0].finish_reason, "tool_calls");
    assertEquals(answer.choices[0].message.content, null);
    const calls = answer.choices[0].message.tool_calls;
    assertEquals(calls.map((call: Json) => [call.function.name, call.function.arguments]), [
      ["search", '{"q": "a  b", "n": 1.0}'],
      ["search", "{}"],
    ]);
    const { chunks } = await readStream(await server.chat({ tools, messages, stream: true }));
    const streamed = chunks.flatMap(({ choices }) => choices).flatMap(({ delta }) => delta.tool_calls ?? []);
    const starts = streamed.filter(({ id }) => id !== undefined);
    assertEquals(starts.map(({ index, type, function: f }) => [index, type, f.name, f.arguments]), [
      [0, "function", "search", ""],
      [1, "function", "search", ""],
    ]);
    const written = (at: number) =>
      streamed.filter(({ index }) => index === at).map((call) => call.function.arguments);
    assertEquals([written(0).join(""), written(1).join("")], ['{"q": "a  b", "n": 1.0}', "{}"]);
    assertEquals(chunks.at(-1)!.choices[0].finish_reason, "tool_calls");
    const cut = {
      tools,
      stream: true,
      max_tokens: 60,
      messages: [user(`call search {"q": "${"x".repeat(99)}"}`)],
    };
    const short = (await readStream(await server.chat(cut))).chunks;
    assertEquals(short.at(-1)!.choices[0].finish_reason, "length");
    const half = short.flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
    assertEquals(half[0].function.name, "search");
    assertMatch(half.map((call) => call.function.arguments).join(""), /^\{"q": "x+$/);
    const next = await ask({
      tools,
      messages: [
        ...messages,
        answer.choices[0].message,
        { role: "tool", tool_call_id: calls[0].id, content: "sunny" },
      ],
    });
    assertEquals(next.choices[0].message.content, "The tool said: sunny");
    const single = await ask({ tools, messages, parallel_tool_calls: false });
    assertEquals([single.choices[0].message.tool_calls.length, single.choices[0].finish_reason], [
      1,
      "tool_calls",
    ]);
    // Without tools the tags are text.
    const text = await ask({ messages: [user("call search {}")] });
    assertMatch(text.choices[0].message.content, /^<tool_call>/);
    const none = await ask({ tools, tool_choice: "none", messages: [user("call search {}")] });
    assertEquals(none.choices[0].finish_reason, "stop");
  });

  await t.step("log-probabilities, whole and streamed", async () => {
    const body = { logprobs: true, top_logprobs: 2, messages: [user("echo: aé")] };
    const { content } = (await ask(body)).choices[0].logprobs;
    assertEquals(content.map((entry: Json) => [entry.bytes, entry.logprob, entry.top_logprobs.length]), [
      [[0x61], 0, 2],
      [[0xc3], 0, 2],
      [[0xa9], 0, 2],
    ]);
    assertEquals([content[0].token, content[0].top_logprobs[1].token, content[0].top_logprobs[1].logprob], [
      "a",
      "b",
      -1,
    ]);
    const { chunks } = await readStream(await server.chat({ ...body, stream: true }));
    assertEquals(chunks.flatMap(({ choices }) => (choices[0] as Json).logprobs?.content ?? []), content);
    assertEquals((await ask({ messages: [user("echo: a")] })).choices[0].logprobs, null);
    const none = await ask({ logprobs: true, messages: [user("echo: a")] });
    assertEquals(none.choices[0].logprobs.content[0].top_logprobs, []);
  });

  await t.step("logit_bias", async () => {
    const banned = await ask({
      logit_bias: { [String("a".charCodeAt(0))]: -100 },
      messages: [user("echo: banana")],
    });
    assertEquals(banned.choices[0].message.content, "bbnbnb");
  });

  await t.step("a known beginning is reported", async () => {
    const messages = [user("echo: " + "a long text ".repeat(20))];
    await ask({ messages });
    const again = await ask({ messages });
    assertEquals(again.usage.prompt_tokens_details.cached_tokens > 200, true);
    const salted = await ask({ messages, cache_salt: "other" });
    assertEquals(salted.usage.prompt_tokens_details.cached_tokens, 0);
  });

  await t.step("unknown fields are named, neutral ones taken", async () => {
    const response = await server.chat({
      messages: [user("echo: a")],
      foo: 1,
      bar: null,
      user: "me",
      logprobs: false,
    });
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("x-valley-ignored"), "foo, bar");
    await response.body!.cancel();
  });

  await t.step("request ids are echoed or made", async () => {
    const given = await fetch(`${server.url}/health`, { headers: { "x-request-id": "abc-1" } });
    assertEquals([given.headers.get("x-request-id"), await given.json()], ["abc-1", { status: "ok" }]);
    const bad = await fetch(`${server.url}/health`, { headers: { "x-request-id": "a b\t" } });
    assertMatch(bad.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
    await bad.body!.cancel();
  });

  await t.step("nothing is lost", async () => {
    const stats = await server.idle();
    assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
    assertEquals(server.log.filter((line) => line.includes('"failure"')), []);
  });

  await server.close();
});
