/** All there is to ask for. The test of routes walks this table. */

import { z } from "zod";
import { countTokens, messages } from "./anthropic.ts";
import {
  anthropicError,
  countAnswer,
  countSchema,
  messageAnswer,
  messagesSchema,
} from "./anthropic_schema.ts";
import { BATCH_ROUTES } from "./batch_routes.ts";
import { chatCompletions } from "./chat.ts";
import { chatSchema } from "./chat_schema.ts";
import { completions, completionSchema } from "./completions.ts";
import { docsPage } from "./docs_page.ts";
import { openapiDocument } from "./openapi.ts";
import {
  anyAnswer,
  chatAnswer,
  completionAnswer,
  modelsAnswer,
  modelSchema,
  promptAnswer,
  statusAnswer,
  tokenizeAnswer,
} from "./response_schemas.ts";
import { responses } from "./responses.ts";
import { responseAnswer, responsesSchema } from "./responses_schema.ts";
import type { Route } from "./route.ts";
import { health, live, load, metrics, model, models } from "./status_routes.ts";
import { applyTemplate, detokenize, detokenizeSchema, tokenize, tokenizeSchema } from "./text_routes.ts";

export const ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/v1/chat/completions",
    access: "work",
    queues: true,
    handler: chatCompletions,
    doc: { summary: "Answer a conversation", body: chatSchema, answer: chatAnswer, streams: true },
  },
  {
    method: "POST",
    path: "/v1/completions",
    access: "work",
    queues: true,
    handler: completions,
    doc: { summary: "Go on from a text", body: completionSchema, answer: completionAnswer, streams: true },
  },
  {
    method: "POST",
    path: "/v1/responses",
    access: "work",
    queues: true,
    handler: responses,
    doc: {
      summary: "Answer a conversation (stateless)",
      body: responsesSchema,
      answer: responseAnswer,
      streams: true,
    },
  },
  {
    method: "POST",
    path: "/v1/messages",
    access: "work",
    queues: true,
    handler: messages,
    doc: {
      summary: "Answer a conversation (Anthropic)",
      body: messagesSchema,
      answer: messageAnswer,
      error: anthropicError,
      streams: true,
    },
  },
  {
    method: "POST",
    path: "/v1/messages/count_tokens",
    access: "work",
    handler: countTokens,
    doc: {
      summary: "Tokens of a conversation (Anthropic)",
      body: countSchema,
      answer: countAnswer,
      error: anthropicError,
    },
  },
  {
    method: "GET",
    path: "/v1/models",
    access: "status",
    handler: models,
    doc: { summary: "What is served", answer: modelsAnswer },
  },
  {
    method: "GET",
    path: "/v1/models/:id{.+}",
    access: "status",
    handler: model,
    doc: { summary: "One model", answer: modelSchema },
  },
  {
    method: "POST",
    path: "/tokenize",
    access: "work",
    handler: tokenize,
    doc: {
      summary: "Ids of a text or of a conversation",
      body: z.union([tokenizeSchema, chatSchema]),
      answer: tokenizeAnswer,
    },
  },
  {
    method: "POST",
    path: "/detokenize",
    access: "work",
    handler: detokenize,
    doc: { summary: "Text of ids", body: detokenizeSchema, answer: promptAnswer },
  },
  {
    method: "POST",
    path: "/apply-template",
    access: "work",
    handler: applyTemplate,
    doc: { summary: "A conversation as the model is given it", body: chatSchema, answer: promptAnswer },
  },
  {
    method: "GET",
    path: "/metrics",
    access: "status",
    handler: metrics,
    doc: { summary: "Prometheus metrics", type: "text/plain" },
  },
  {
    method: "GET",
    path: "/v1/loads",
    access: "status",
    handler: load,
    doc: { summary: "Load, for routers", answer: anyAnswer },
  },
  {
    method: "GET",
    path: "/health",
    access: "open",
    handler: health,
    doc: { summary: "Can it answer", answer: statusAnswer },
  },
  {
    method: "GET",
    path: "/readyz",
    access: "open",
    handler: health,
    doc: { summary: "Can it answer", answer: statusAnswer },
  },
  {
    method: "GET",
    path: "/livez",
    access: "open",
    handler: live,
    doc: { summary: "Should it go on", answer: statusAnswer },
  },
  {
    method: "GET",
    path: "/openapi.json",
    access: "status",
    handler: (_request, { keys }) => Response.json(openapiDocument(ROUTES, keys !== null)),
    doc: { summary: "This document", answer: anyAnswer },
  },
  {
    method: "GET",
    path: "/docs",
    access: "status",
    handler: (_request, context) => docsPage(ROUTES, context),
    doc: { summary: "The same as a page to read", type: "text/html" },
  },
  ...BATCH_ROUTES,
];
