/**
 * Answers that call tools of MCP servers: the server makes the call, gives the result back, and lets the model go on,
 * round after round. Calls of the client's own tools end the answer as ever.
 */

import type { ChatMessage } from "../families/family.ts";
import type { ParsedCall } from "./tool_call_text.ts";
import type { AppContext } from "./app_context.ts";
import type { ChatRequest } from "./chat_request.ts";
import { thoughtOf } from "./content.ts";
import { answerChat, readConversation } from "./conversation.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer, ChoiceNews } from "./generation.ts";
import type { McpTools } from "./mcp_tools.ts";

/** Forced calls, formats and several choices know nothing of the servers' tools. */
export const mayLoop = ({ mayCall, constraint, wishes }: ChatRequest): boolean =>
  mayCall && constraint === null && wishes.choices === 1;

/** With the servers' tools beside the request's. Throws ApiError, PromptError or EngineError if it is not taken. */
export async function answerInRounds(
  asked: ChatRequest,
  mcp: McpTools,
  context: AppContext,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<Answer> {
  const own = new Set(asked.prompt.tools.map(({ name }) => name));
  const served = mcp.tools.filter(({ name }) => !own.has(name));
  const chat = { ...asked, prompt: { ...asked.prompt, tools: [...asked.prompt.tools, ...served] } };
  const conversation = await readConversation(chat, context, signal);
  const left = new AbortController(), either = AbortSignal.any([signal, left.signal]);
  const first = await answerChat(chat, context, exchange, either, conversation);
  const answer: Answer = { ...first, choices: [], stop: () => left.abort() };
  const serves = (name: string) => mcp.has(name) && !own.has(name);
  answer.choices = [
    rounds(answer, first, { chat, conversation, mcp, context, exchange, signal: either, serves }),
  ];
  return answer;
}

interface Loop {
  chat: ChatRequest;
  conversation: ChatMessage[];
  mcp: McpTools;
  context: AppContext;
  exchange: Exchange;
  signal: AbortSignal;
  serves(name: string): boolean;
}

/** The rounds' news as those of one choice; counts are of all rounds. */
async function* rounds(whole: Answer, first: Answer, loop: Loop): AsyncGenerator<ChoiceNews> {
  const { chat, mcp, context, exchange, signal } = loop;
  const conversation = [...loop.conversation], before = { completionTokens: 0, reasoningTokens: 0 };
  for (let round = 1, answer = first;; round++) {
    const calls: ParsedCall[] = [];
    /** The call under way, where it is the server's. */
    let served: ParsedCall | null = null;
    let content = "",
      thought = "",
      foreign = false,
      end: Extract<ChoiceNews, { finish: unknown }> | null = null;
    for await (const news of answer.choices[0]) {
      if ("finish" in news) end = news;
      else if ("mcp" in news) yield news;
      else {
        const { delta } = news;
        if (delta.type === "content") content += delta.text;
        if (delta.type === "reasoning") thought += delta.text;
        if (delta.type === "call") {
          served = loop.serves(delta.name) ? { name: delta.name, arguments: "" } : null;
          if (served === null) foreign = true;
          else calls.push(served);
        } else if (delta.type === "arguments" && served !== null) served.arguments += delta.text;
        const hidden = served !== null && delta.type !== "content" && delta.type !== "reasoning";
        if (!hidden) yield news;
      }
    }
    if (end === null) return; // the client left
    const counts = {
      completionTokens: end.counts.completionTokens + before.completionTokens,
      reasoningTokens: end.counts.reasoningTokens + before.reasoningTokens,
      cachedTokens: end.counts.cachedTokens,
    };
    const over = calls.length === 0 || foreign || end.finish === "length" || round > mcp.maxRounds;
    const room = chat.wishes.maxTokens === null ? null : chat.wishes.maxTokens - counts.completionTokens;
    if (over || (room !== null && room < 1)) {
      // Calls that are not made any more are no calls of the client's either.
      const finish = calls.length === 0 || foreign ? end.finish : "length";
      yield { ...end, finish, counts };
      return;
    }
    Object.assign(before, counts);
    conversation.push({
      role: "assistant",
      content: [...thoughtOf(thought, context.served().card.tags), { type: "text", text: content }],
      toolCalls: calls,
    });
    for (const { name, arguments: given } of calls) {
      yield { mcp: { round, name, arguments: given, result: null, failed: false }, scores: [] };
      const { text, failed } = await mcp.call(name, given, signal);
      yield { mcp: { round, name, arguments: given, result: text, failed }, scores: [] };
      conversation.push({ role: "tool", content: [{ type: "text", text }] });
    }
    const next = { ...chat, wishes: { ...chat.wishes, maxTokens: room } };
    answer = await answerChat(next, context, exchange, signal, conversation);
    whole.promptTokens += answer.promptTokens;
  }
}
