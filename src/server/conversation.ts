/** From a chat request to a prompt, and on to an answer: the same for every route that takes messages. */

import type { ChatMessage, Prompt } from "../families/family.ts";
import type { AppContext } from "./app_context.ts";
import type { ChatRequest } from "./chat_request.ts";
import { readMessages } from "./content.ts";
import type { Exchange } from "./exchange.ts";
import { type Answer, startAnswer } from "./generation.ts";

/** Media fetched and decoded. Throws ApiError or PromptError. */
export function readConversation(
  chat: ChatRequest,
  context: AppContext,
  signal: AbortSignal,
): Promise<ChatMessage[]> {
  return readMessages(chat.messages, {
    wishes: chat.media,
    modalities: context.served().card.modalities,
    prompt: context.prompt,
    decoder: context.decoder,
    limits: context.limits,
    tags: context.served().card.tags,
    signal,
  });
}

/** … template applied, ids made. Throws ApiError or PromptError. */
export async function buildPrompt(
  chat: ChatRequest,
  context: AppContext,
  signal: AbortSignal,
): Promise<Prompt> {
  return await context.prompt.build(await readConversation(chat, context, signal), chat.prompt);
}

/** Throws ApiError, PromptError or EngineError if the request is not taken. */
export async function answerChat(
  chat: ChatRequest,
  context: AppContext,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<Answer> {
  const prompt = await buildPrompt(chat, context, signal);
  const { tags: answer } = context.served().card;
  const tags = { tools: chat.prompt.tools.length > 0, answer, oneCall: chat.oneCall };
  return startAnswer(prompt, chat.wishes, tags, context, exchange, signal);
}

/** Says in a header which fields nobody here knows: printable, and not without end. */
export function nameIgnored(response: Response, fields: readonly string[]): void {
  if (fields.length === 0) return;
  const names = fields.slice(0, 32).map((field) => field.replace(/[^\w.-]/g, "?").slice(0, 64));
  response.headers.set("x-valley-ignored", names.join(", "));
}
