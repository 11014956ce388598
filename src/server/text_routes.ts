/** /tokenize, /detokenize, /apply-template: the prompt side by itself. */

import { z } from "zod";
import { contextOf } from "../engine/admission.ts";
import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { checkModel, parseChatRequest } from "./chat_request.ts";
import { buildPrompt, nameIgnored, readConversation } from "./conversation.ts";
import { idList } from "./id_list.ts";
import { invalid } from "./errors.ts";
import { validated } from "./validation.ts";
import { ignoredFields } from "./wishes.ts";

/** Characters whose ids are worked out here. */
const MOST_CHARACTERS = 1 << 20;

export const tokenizeSchema = z.looseObject({
  model: z.string().nullish(),
  prompt: z.string().max(MOST_CHARACTERS),
});
export const detokenizeSchema = z.looseObject({
  model: z.string().nullish(),
  tokens: idList(0),
});

export async function tokenize(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request;
  const body = await readJson(request, context.limits);
  let ids: Uint32Array, ignored: string[];
  if (isConversation(body)) {
    const chat = parseChatRequest(body, context.served());
    ids = (await buildPrompt(chat, context, signal)).ids;
    ignored = chat.ignored;
  } else {
    const wire = textOf(body, context);
    ignored = ignoredFields(wire, tokenizeSchema.shape);
    ids = (await context.prompt.encodeLong(wire.prompt, Infinity))!;
  }
  const { info } = context.engine;
  const response = Response.json({
    count: ids.length,
    max_model_len: info === null ? null : contextOf(info),
    tokens: Array.from(ids),
  });
  nameIgnored(response, ignored, exchange);
  return response;
}

export async function detokenize(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const wire = validated(detokenizeSchema, await readJson(request, context.limits));
  checkModel(wire.model, context.served().id);
  const ignored = ignoredFields(wire, detokenizeSchema.shape);
  const response = Response.json({ prompt: context.prompt.decode(wire.tokens, true) });
  nameIgnored(response, ignored, exchange);
  return response;
}

export async function applyTemplate(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request;
  const chat = parseChatRequest(await readJson(request, context.limits), context.served());
  const messages = await readConversation(chat, context, signal);
  const response = Response.json({ prompt: context.prompt.render(messages, chat.prompt) });
  nameIgnored(response, chat.ignored, exchange);
  return response;
}

function isConversation(body: unknown): boolean {
  return typeof body === "object" && body !== null && "messages" in body;
}

function textOf(body: unknown, context: AppContext): z.infer<typeof tokenizeSchema> {
  if (typeof body !== "object" || body === null || !("prompt" in body)) {
    throw invalid("prompt or messages must be given", "prompt", "invalid_value");
  }
  const wire = validated(tokenizeSchema, body);
  checkModel(wire.model, context.served().id);
  return wire;
}
