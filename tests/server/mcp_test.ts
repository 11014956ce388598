/** The server-side loop over MCP servers, with the official SDK on both ends of a socket. */

import http from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";
import { McpTools } from "../../src/server/mcp_tools.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { contentOf, readStream, startServer, user } from "../support/server_harness.ts";

const TOOLS = [{
  type: "function",
  function: { name: "own", parameters: { type: "object", properties: {} } },
}];

async function mcpServer() {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    const mcp = new McpServer({ name: "test", version: "1" });
    mcp.registerTool(
      "weather",
      { description: "Weather", inputSchema: { city: z.string() } },
      ({ city }: { city: string }) => {
        asked.push(city);
        return { content: [{ type: "text", text: `18 degrees in ${city}` }] };
      },
    );
    mcp.registerTool("slow", { description: "Never answers", inputSchema: {} }, () => new Promise(() => {}));
    mcp.registerTool("long", { description: "Says much", inputSchema: {} }, () => ({
      content: [{ type: "text", text: "x".repeat(70_000) }],
    }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    void mcp.connect(transport as never).then(() => transport.handleRequest(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    asked,
    close: () => new Promise<void>((done) => (server.closeAllConnections(), server.close(() => done()))),
  };
}

Deno.test({ name: "MCP loop", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const host = await mcpServer();
  const mcp = await McpTools.connect({
    mcpServers: { test: { url: host.url } },
    callSeconds: 1,
    maxRounds: 2,
  });
  const server = await startServer({ mcp });
  const ask = async (words: string, extra: Record<string, unknown> = {}) =>
    await server.chat({ messages: [user(words)], ...extra }).then((response) => response.json());

  await t.step("a call is made by the server, its result goes back, the model answers", async () => {
    const { choices: [{ message, finish_reason }], usage } = await ask('call weather {"city": "Paris"}');
    assertEquals([message.content, finish_reason], ["The tool said: 18 degrees in Paris", "stop"]);
    assertEquals(message.tool_calls, undefined);
    assertEquals(message.mcp_calls, [{
      round: 1,
      name: "weather",
      arguments: '{"city": "Paris"}',
      result: "18 degrees in Paris",
      failed: false,
    }]);
    assertEquals(host.asked, ["Paris"]);
    assert(usage.completion_tokens > "The tool said: 18 degrees in Paris".length, "the call's tokens count");
  });

  await t.step("the next round sees the thought that led to the call", async () => {
    const { prompt } = server.context, build = prompt.build.bind(prompt), seen: string[] = [];
    prompt.build = (messages, options) => {
      seen.push(
        messages.flatMap(({ content }) => content.map((p) => p.type === "text" ? p.text : "")).join(""),
      );
      return build(messages, options);
    };
    const { choices: [{ message }] } = await ask('think, then call weather {"city": "Bonn"}');
    prompt.build = build;
    assertEquals([seen.length, message.mcp_calls.length, message.reasoning !== ""], [2, 1, true]);
    assert(seen[1].includes(`<thinking>\n${message.reasoning}\n</thinking>\n\n`), seen[1]);
  });

  await t.step("each round is seen in the stream", async () => {
    const response = await server.chat({ stream: true, messages: [user('call weather {"city": "Oslo"}')] });
    const { chunks, done } = await readStream(response);
    const steps = chunks.flatMap(({ choices }) =>
      (choices[0].delta as { mcp_calls?: { result: unknown }[] }).mcp_calls ?? []
    );
    assertEquals(steps.map(({ result }) => result), [null, "18 degrees in Oslo"]);
    assertEquals([contentOf(chunks), done], ["The tool said: 18 degrees in Oslo", true]);
    assertEquals(chunks.at(-1)!.choices[0].finish_reason, "stop");
  });

  await t.step("a tool of the client's ends the answer as ever", async () => {
    const { choices: [{ message, finish_reason }] } = await ask("call own {}", { tools: TOOLS });
    assertEquals([finish_reason, message.tool_calls[0].function.name, message.mcp_calls], [
      "tool_calls",
      "own",
      undefined,
    ]);
  });

  await t.step("time-outs and wrong arguments are told the model", async () => {
    const slow = (await ask("call slow {}")).choices[0].message;
    assertEquals([slow.mcp_calls[0].failed, slow.content], [
      true,
      "The tool said: Error: the tool gave no answer",
    ]);
    const wrong = (await ask('call weather {"town": 1}')).choices[0].message;
    assertEquals(wrong.mcp_calls[0].failed, true);
  });

  await t.step("a result that is cut says so", async () => {
    const { text, failed } = await mcp.call("long", "{}", new AbortController().signal);
    assertEquals([failed, text.length < 66_000, text.slice(-32)], [
      false,
      true,
      "xxxx\n(cut after 65536 characters)".slice(-32),
    ]);
  });

  await t.step("tool_choice none, formats and forced tools know nothing of them", async () => {
    assertEquals(
      (await ask('call weather {"city": "Rome"}', { tool_choice: "none" })).choices[0].message.mcp_calls,
      undefined,
    );
    const formed = await ask("json", { response_format: { type: "json_object" } });
    assertEquals(JSON.parse(formed.choices[0].message.content).ok, true);
  });

  await t.step("a client that leaves ends the call", async () => {
    const leaving = new AbortController();
    const asking = server.chat({ messages: [user("call slow {}")] }, { signal: leaving.signal }).catch(() =>
      null
    );
    setTimeout(() => leaving.abort(), 200);
    await asking;
    const stats = await server.idle();
    assertEquals(stats.freeSlots, stats.totalSlots);
  });
  await server.close();
  await mcp.close();

  await t.step("rounds have a limit", async () => {
    const none = await McpTools.connect({ mcpServers: { test: { url: host.url } }, maxRounds: 0 });
    const limited = await startServer({ mcp: none });
    const { choices: [{ message, finish_reason }] } = await limited.chat({
      messages: [user("call weather {}")],
    })
      .then((response) => response.json());
    assertEquals([finish_reason, message.mcp_calls], ["length", undefined]);
    await limited.close();
    await none.close();
  });

  await t.step("servers that can't be had are named", async () => {
    await assertThrows(
      () => McpTools.connect({ mcpServers: { gone: { url: "http://127.0.0.1:1/mcp" } } }),
      /MCP server gone/,
    );
    const twice = { a: { url: host.url }, b: { url: host.url } };
    await assertThrows(() => McpTools.connect({ mcpServers: twice }), /have a tool weather/);
  });
  await host.close();
});
