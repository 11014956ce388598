/** What answers look like, for the OpenAPI document. */

import { z } from "zod";

export const errorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.enum([
      "invalid_request_error",
      "authentication_error",
      "rate_limit_error",
      "server_error",
      "service_unavailable",
    ]),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

const count = z.int().min(0);

const usage = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({
    cached_tokens: count,
    image_tokens: count,
    video_tokens: count,
    audio_tokens: count,
  }),
  completion_tokens_details: z.object({ reasoning_tokens: count }),
});

const head = { id: z.string(), created: count, model: z.string() };

export const completionAnswer = z.object({
  ...head,
  object: z.literal("text_completion"),
  choices: z.array(z.object({
    index: count,
    text: z.string(),
    logprobs: z.looseObject({ tokens: z.array(z.string()) }).nullable(),
    finish_reason: z.enum(["stop", "length"]),
  })),
  usage,
});

export const chatAnswer = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(z.object({
    index: count,
    message: z.object({
      role: z.literal("assistant"),
      content: z.string().nullable(),
      refusal: z.null(),
      reasoning: z.string().optional(),
      reasoning_content: z.string().optional(),
      tool_calls: z.array(z.object({
        id: z.string(),
        type: z.literal("function"),
        function: z.object({ name: z.string(), arguments: z.string() }),
      })).optional(),
    }),
    logprobs: z.looseObject({ content: z.array(z.looseObject({ token: z.string(), logprob: z.number() })) })
      .nullable(),
    finish_reason: z.enum(["stop", "length", "tool_calls"]),
  })),
  usage,
});

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
  max_model_len: count.nullable(),
  modalities: z.array(z.string()),
  reasoning: z.enum(["none", "optional", "prompted"]),
});

export const modelsAnswer = z.object({ object: z.literal("list"), data: z.array(modelSchema) });
export const tokenizeAnswer = z.object({ count, max_model_len: count.nullable(), tokens: z.array(count) });
export const promptAnswer = z.object({ prompt: z.string() });
export const statusAnswer = z.object({ status: z.literal("ok") });
export const anyAnswer = z.looseObject({});
