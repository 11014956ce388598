/** The body of /v1/chat/completions as clients write it. */

import { z } from "zod";
import { MAX_LOGPROBS } from "../families/family.ts";
import { messageSchema } from "./content_schema.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { wishFields } from "./wishes.ts";

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
  ...wishFields,
  messages: z.array(messageSchema).min(1).max(DEFAULT_LIMITS.messages),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  tools: z.array(toolSchema).max(DEFAULT_LIMITS.tools).nullish(),
  tool_choice: z.union([
    z.enum(["auto", "none", "required"]),
    z.looseObject({ type: z.string(), function: z.looseObject({ name: z.string() }).nullish() }),
  ]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_effort: effortSchema.nullish(),
  reasoning: z.looseObject({ effort: effortSchema.nullish() }).nullish(),
  enable_thinking: z.boolean().nullish(),
  thinking_token_budget: z.int().min(0).nullish()
    .describe("Tokens after which a thought is closed; 0: no thought"),
  chat_template_kwargs: z.strictObject({ enable_thinking: z.boolean().nullish() }).nullish(),
  mm_processor_kwargs: mediaOptionsSchema.nullish(),
});
export type WireChat = z.infer<typeof chatSchema>;
