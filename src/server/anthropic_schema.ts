/** The body of Anthropic's /v1/messages. Parts of OpenAI's spellings (sound, video) are taken beside its blocks. */

import { z } from "zod";
import { MOST_LOOKED_AT, partSchema } from "./content_schema.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

const { messages, tools, stopStrings, stopChars } = DEFAULT_LIMITS;

const imageBlock = z.looseObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("base64"), media_type: z.string().max(100), data: z.string() }),
    z.looseObject({ type: z.literal("url"), url: z.string() }),
  ]),
});

/** Blocks that are told from OpenAI's parts by their type; `image` has another form there. */
const ownBlocks = [
  imageBlock,
  z.looseObject({
    type: z.literal("tool_result"),
    tool_use_id: z.string().max(256),
    content: z.union([z.string(), z.array(z.union([imageBlock, partSchema])).max(MOST_LOOKED_AT)]).nullish(),
    is_error: z.boolean().nullish(),
  }),
] as const;

const userBlock = z.union([...ownBlocks, partSchema]);
const textBlock = z.looseObject({ type: z.literal("text"), text: z.string() });
const assistantBlock = z.discriminatedUnion("type", [
  textBlock,
  z.looseObject({ type: z.literal("thinking"), thinking: z.string(), signature: z.string().nullish() }),
  z.looseObject({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.looseObject({
    type: z.literal("tool_use"),
    id: z.string().max(256),
    name: z.string().min(1).max(256),
    input: z.record(z.string(), z.unknown()),
  }),
]);
export type UserBlock = z.infer<typeof userBlock>;
export type AssistantBlock = z.infer<typeof assistantBlock>;

/** What the answer is to. */
const conversation = {
  model: z.string().max(256).nullish(),
  messages: z.array(z.discriminatedUnion("role", [
    z.looseObject({
      role: z.literal("user"),
      content: z.union([z.string(), z.array(userBlock).max(MOST_LOOKED_AT)]),
    }),
    z.looseObject({
      role: z.literal("assistant"),
      content: z.union([z.string(), z.array(assistantBlock).max(MOST_LOOKED_AT)]),
    }),
  ])).min(1).max(messages),
  system: z.union([z.string(), z.array(textBlock).max(MOST_LOOKED_AT)]).nullish(),
  tools: z.array(z.looseObject({
    type: z.literal("custom").nullish(),
    name: z.string().min(1).max(256),
    description: z.string().nullish(),
    input_schema: z.record(z.string(), z.unknown()),
  })).max(tools).nullish(),
  tool_choice: z.looseObject({ type: z.enum(["auto", "any", "tool", "none"]) }).nullish(),
  thinking: z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("enabled"), budget_tokens: z.int().min(1).nullish() }),
    z.looseObject({ type: z.literal("adaptive") }),
    z.looseObject({ type: z.literal("disabled") }),
  ]).nullish(),
  mm_processor_kwargs: z.record(z.string(), z.unknown()).nullish(),
};

export const messagesSchema = z.looseObject({
  ...conversation,
  max_tokens: z.int().min(1),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  stop_sequences: z.array(z.string().min(1).max(stopChars)).max(stopStrings).nullish(),
  metadata: z.looseObject({}).nullish(),
  service_tier: z.string().nullish(),
  output_config: z.looseObject({
    format: z.looseObject({ type: z.literal("json_schema"), schema: z.record(z.string(), z.unknown()) })
      .nullish(),
  }).nullish(),
});

/** For counting tokens the answer's length is left open. */
export const countSchema = messagesSchema.extend({ max_tokens: z.int().min(1).nullish() });
export type WireMessages = z.infer<typeof countSchema>;

const count = z.int().min(0);
export const messageAnswer = z.object({
  id: z.string(),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string(),
  content: z.array(z.looseObject({ type: z.enum(["text", "thinking", "tool_use"]) })),
  stop_reason: z.enum(["end_turn", "max_tokens", "stop_sequence", "tool_use"]),
  stop_sequence: z.string().nullable(),
  usage: z.object({
    input_tokens: count,
    output_tokens: count,
    cache_read_input_tokens: count,
    cache_creation_input_tokens: count,
  }),
});
export const countAnswer = z.object({ input_tokens: count });
export const anthropicError = z.object({
  type: z.literal("error"),
  error: z.object({ type: z.string(), message: z.string() }),
});
