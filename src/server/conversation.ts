/** From a chat request to a prompt, and on to an answer: the same for every route that takes messages. */

import { contextOf } from "../engine/admission.ts";
import { GrammarError } from "../engine/grammar/spec.ts";
import type { ChatMessage, Prompt } from "../families/family.ts";
import type { AppContext } from "./app_context.ts";
import type { ChatRequest } from "./chat_request.ts";
import { readMessages } from "./content.ts";
import type { Exchange } from "./exchange.ts";
import { type Answer, type AnswerLimits, startAnswer } from "./generation.ts";
import { type Constraint, refusedGrammar } from "./structured.ts";
import { buildFitting } from "./truncation.ts";
import { vocabularyOf } from "./vocabulary.ts";

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
    media: context.media,
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

/**
 * `conversation`: where its media are decoded already. Throws ApiError, PromptError or EngineError if the request is not
 * taken.
 */
export async function answerChat(
  chat: ChatRequest,
  context: AppContext,
  exchange: Exchange,
  signal: AbortSignal,
  conversation?: ChatMessage[],
): Promise<Answer> {
  const limits = await prepareLimits(chat, context);
  const messages = conversation ?? await readConversation(chat, context, signal);
  const prompt = await promptOf(chat, messages, context);
  const { tags: answer, edges = null } = context.served().card;
  const tools = chat.prompt.tools.length > 0;
  const tags = { tools, pieces: chat.stream, answer, edges, oneCall: chat.oneCall };
  return startAnswer(prompt, { ...chat.wishes, ...limits }, tags, context, exchange, signal);
}

async function promptOf(
  chat: ChatRequest,
  messages: ChatMessage[],
  { prompt, engine }: AppContext,
): Promise<Prompt> {
  const build = (some: ChatMessage[]) => prompt.build(some, chat.prompt);
  if (!chat.truncate || engine.info === null) return await build(messages);
  const room = contextOf(engine.info) - (chat.wishes.maxTokens ?? 1);
  return await buildFitting(messages, build, ({ ids }) => ids.length <= room);
}

/** Grammar and budget as the engine takes them. Throws ApiError where the grammar can't be had, or EngineError. */
async function prepareLimits(chat: ChatRequest, context: AppContext): Promise<AnswerLimits> {
  const { constraint, thoughtBudget } = chat;
  const limits: AnswerLimits = constraint === null ? {} : await compiled(constraint, context);
  const { prompt } = context, { tags } = context.served().card;
  if (thoughtBudget === null || tags === null) return limits;
  const [open, close] = tags.thought;
  await context.engine.teach(vocabularyFor(context));
  return {
    ...limits,
    thought: {
      tokens: thoughtBudget + prompt.encode(`${open}\n`).length,
      open,
      close,
      closeIds: Array.from(prompt.encode(`\n${close}\n\n`)),
    },
  };
}

/** Throws ApiError where the grammar can't be had, or EngineError. */
export async function compiled(constraint: Constraint, context: AppContext): Promise<AnswerLimits> {
  try {
    await context.engine.compile(constraint.spec, vocabularyFor(context));
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw refusedGrammar(constraint, error);
  }
  return { grammar: constraint.spec };
}

function vocabularyFor({ prompt, engine }: AppContext) {
  return () => vocabularyOf(prompt, engine.info!);
}

/** Says in a header and in the log which fields nobody here knows: printable, and not without end. */
export function nameIgnored(response: Response, fields: readonly string[], exchange: Exchange): void {
  if (fields.length === 0) return;
  const names = fields.slice(0, 32).map((field) => field.replace(/[^\w.-]/g, "?").slice(0, 64));
  response.headers.set("x-valley-ignored", names.join(", "));
  exchange.note({ ignored: names.join(", ") });
}
