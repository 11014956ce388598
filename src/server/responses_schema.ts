/** The body of OpenAI's /v1/responses. */

import { z } from "zod";
import { effortSchema } from "./chat_schema.ts";
import { MOST_LOOKED_AT, partSchema } from "./content_schema.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

const inputImage = z.looseObject({
  type: z.literal("input_image"),
  image_url: z.string(),
  detail: z.string().nullish(),
});
const part = z.union([
  inputImage,
  partSchema,
  z.looseObject({ type: z.literal("refusal"), refusal: z.string() }),
]);
const id = z.string().max(256).nullish();

const item = z.union([
  z.looseObject({
    type: z.literal("message").nullish(),
    role: z.enum(["user", "assistant", "system", "developer"]),
    content: z.union([z.string(), z.array(part).max(MOST_LOOKED_AT)]),
  }),
  z.looseObject({
    type: z.literal("function_call"),
    call_id: z.string().max(256),
    name: z.string().min(1).max(256),
    arguments: z.string(),
  }),
  z.looseObject({
    type: z.literal("function_call_output"),
    call_id: z.string().max(256),
    output: z.union([z.string(), z.array(part).max(MOST_LOOKED_AT)]),
  }),
  z.looseObject({
    type: z.literal("reasoning"),
    id,
    content: z.array(z.looseObject({ type: z.literal("reasoning_text"), text: z.string() })).max(
      MOST_LOOKED_AT,
    ).nullish(),
  }),
]);
export type ResponseItem = z.infer<typeof item>;

export const responsesSchema = z.looseObject({
  model: z.string().max(256).nullish(),
  input: z.union([z.string(), z.array(item).min(1).max(DEFAULT_LIMITS.messages)]),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  tools: z.array(z.looseObject({
    type: z.literal("function"),
    name: z.string().min(1).max(256),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  })).max(DEFAULT_LIMITS.tools).nullish(),
  tool_choice: z.union([z.enum(["auto", "none", "required"]), z.looseObject({ type: z.string() })]).nullish(),
  reasoning: z.looseObject({ effort: effortSchema.nullish() }).nullish(),
  text: z.looseObject({
    format: z.looseObject({ type: z.string() }).nullish(),
    verbosity: z.string().nullish(),
  }).nullish(),
  previous_response_id: z.string().nullish(),
  conversation: z.unknown().nullish(),
  background: z.boolean().nullish(),
  prompt: z.unknown().nullish(),
  include: z.array(z.string()).max(64).nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
  max_tool_calls: z.int().nullish(),
});
export type WireResponses = z.infer<typeof responsesSchema>;

const count = z.int().min(0);
export const responseAnswer = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: count,
  status: z.enum(["completed", "incomplete"]),
  model: z.string(),
  output: z.array(z.looseObject({ type: z.enum(["reasoning", "message", "function_call"]), id: z.string() })),
  usage: z.object({
    input_tokens: count,
    input_tokens_details: z.object({ cached_tokens: count }),
    output_tokens: count,
    output_tokens_details: z.object({ reasoning_tokens: count }),
    total_tokens: count,
  }),
});
