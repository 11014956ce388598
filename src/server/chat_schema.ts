/** The body of /v1/chat/completions as clients write it. */

import { z } from "@hono/zod-openapi";
import { messageSchema } from "./content_schema.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

const { stopStrings, stopChars, stopIds, choices, tools } = DEFAULT_LIMITS;
const stopString = z.string().min(1).max(stopChars);
const id = z.int().min(0).max(2 ** 31);

export const toolSchema = z.looseObject({
  type: z.literal("function"),
  function: z.looseObject({
    name: z.string().min(1).max(256),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
  }),
});

export const effortSchema = z.enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"]);

/** What a request may lower of the server's media limits. */
export const mediaOptionsSchema = z.strictObject({
  use_audio_in_video: z.union([z.boolean(), z.literal("auto")]).nullish(),
  fps: z.number().positive().nullish(),
  nframes: z.int().positive().nullish(),
  min_pixels: z.int().positive().nullish(),
  max_pixels: z.int().positive().nullish(),
  min_frames: z.int().positive().nullish(),
  max_frames: z.int().positive().nullish(),
});

/** Fields that take effect. Those that are only known are in known_fields.ts. */
export const chatSchema = z.looseObject({
  model: z.string().max(256).nullish(),
  messages: z.array(messageSchema).min(1).max(DEFAULT_LIMITS.messages),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  min_tokens: z.int().min(0).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  n: z.int().min(1).max(choices).nullish(),
  stop: z.union([stopString, z.array(stopString).max(stopStrings)]).nullish(),
  stop_token_ids: z.array(id).max(stopIds).nullish(),
  ignore_eos: z.boolean().nullish(),
  tools: z.array(toolSchema).max(tools).nullish(),
  tool_choice: z.union([
    z.enum(["auto", "none", "required"]),
    z.looseObject({ type: z.string(), function: z.looseObject({ name: z.string() }).nullish() }),
  ]).nullish(),
  reasoning_effort: effortSchema.nullish(),
  reasoning: z.looseObject({ effort: effortSchema.nullish() }).nullish(),
  enable_thinking: z.boolean().nullish(),
  chat_template_kwargs: z.strictObject({ enable_thinking: z.boolean().nullish() }).nullish(),
  mm_processor_kwargs: mediaOptionsSchema.nullish(),
  cache_salt: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/).nullish(),
});
export type WireChat = z.infer<typeof chatSchema>;
