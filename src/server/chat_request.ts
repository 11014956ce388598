/** A chat request as the server understands it: unknown JSON in, typed request out, or an error naming the field. */

import type { Effort, ModelCard, PromptOptions, Sampling } from "../families/family.ts";
import { chatSchema, type WireChat } from "./chat_schema.ts";
import { mediaLimits, type MediaWishes } from "./content.ts";
import type { WireMessage } from "./content_schema.ts";
import { ApiError, invalid } from "./errors.ts";
import { KNOWN_FIELDS } from "./known_fields.ts";
import { validated } from "./validation.ts";

export interface ChatRequest {
  messages: WireMessage[];
  stream: boolean;
  includeUsage: boolean;
  choices: number;
  /** null: what fits in the context. */
  maxTokens: number | null;
  minTokens: number;
  stop: string[];
  stopIds: number[];
  ignoreEos: boolean;
  sampling: Sampling;
  prompt: PromptOptions;
  media: MediaWishes;
  cacheSalt: string;
  /** Top-level fields that nobody here knows. */
  ignored: string[];
}

export interface Served {
  id: string;
  card: ModelCard;
}

/** Throws ApiError. */
export function parseChatRequest(body: unknown, { id, card }: Served): ChatRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid("The body must be a JSON object", null, "invalid_value");
  }
  const wire = validated(chatSchema, body);
  checkModel(wire.model, id);
  const ignored = checkFields(wire);
  const { tools, toolChoice } = toolsOf(wire);
  const media = wire.mm_processor_kwargs ?? {};
  const limits = mediaLimits(media);
  return {
    messages: wire.messages,
    stream: wire.stream ?? false,
    includeUsage: wire.stream_options?.include_usage ?? false,
    choices: wire.n ?? 1,
    maxTokens: maxTokensOf(wire),
    minTokens: wire.min_tokens ?? 0,
    stop: typeof wire.stop === "string" ? [wire.stop] : wire.stop ?? [],
    stopIds: wire.stop_token_ids ?? [],
    ignoreEos: wire.ignore_eos ?? false,
    sampling: samplingOf(wire, card),
    prompt: {
      tools: toolChoice === "none" ? [] : tools,
      effort: effortOf(wire, card),
      tokenization: "safe",
      limits,
    },
    media: { limits, audioInVideo: media.use_audio_in_video ?? "auto" },
    cacheSalt: wire.cache_salt ?? "",
    ignored,
  };
}

/** A request without a model gets the one that is served. */
export function checkModel(asked: string | null | undefined, served: string): void {
  if (asked == null || asked === "" || asked === served) return;
  throw new ApiError(
    404,
    `The model ${JSON.stringify(asked)} is not served here; ${served} is`,
    "invalid_request_error",
    "model_not_found",
    "model",
  );
}

/** Refuses what is known and would change the answer; names what is not known. */
function checkFields(wire: WireChat): string[] {
  const ignored: string[] = [];
  for (const [field, value] of Object.entries(wire)) {
    if (Object.hasOwn(chatSchema.shape, field)) continue;
    if (!Object.hasOwn(KNOWN_FIELDS, field)) ignored.push(field);
    else if (!KNOWN_FIELDS[field](value)) {
      throw invalid(`${field} is not supported with this value`, field, "unsupported_value");
    }
  }
  return ignored;
}

function maxTokensOf({ max_tokens, max_completion_tokens }: WireChat): number | null {
  if (max_tokens != null && max_completion_tokens != null && max_tokens !== max_completion_tokens) {
    throw invalid(
      "max_tokens and max_completion_tokens contradict each other",
      "max_tokens",
      "invalid_value",
    );
  }
  return max_completion_tokens ?? max_tokens ?? null;
}

/** What the request leaves open is the checkpoint's generation_config, not OpenAI's temperature of 1. */
function samplingOf(wire: WireChat, { sampling }: ModelCard): Sampling {
  return {
    temperature: wire.temperature ?? sampling.temperature,
    topP: Math.max(wire.top_p ?? sampling.topP, 1e-6),
    topK: Math.max(wire.top_k ?? sampling.topK, 0),
    minP: wire.min_p ?? sampling.minP,
    seed: wire.seed == null
      ? crypto.getRandomValues(new Uint32Array(1))[0]
      : Number(BigInt.asUintN(32, BigInt(wire.seed))),
  };
}

function toolsOf({ tools, tool_choice: choice }: WireChat) {
  if (choice != null && choice !== "auto" && choice !== "none") {
    throw invalid('tool_choice: only "auto" and "none" are supported', "tool_choice", "unsupported_value");
  }
  return {
    tools: (tools ?? []).map((raw) => ({ name: raw.function.name, raw })),
    toolChoice: choice ?? "auto",
  };
}

/** OpenAI's levels → the model's three; without word from the client, what the model's card says. */
function effortOf(wire: WireChat, { reasoning }: ModelCard): Effort | null {
  const asked = wire.reasoning_effort ?? wire.reasoning?.effort ?? null;
  const enabled = wire.enable_thinking ?? wire.chat_template_kwargs?.enable_thinking ?? null;
  const field = wire.reasoning_effort != null
    ? "reasoning_effort"
    : asked !== null
    ? "reasoning"
    : "chat_template_kwargs";
  if (reasoning === "none") {
    if ((asked !== null && asked !== "none") || enabled === true) {
      throw invalid("This model has no reasoning effort", field, "reasoning_unsupported");
    }
    return null;
  }
  const off = reasoning === "prompted" ? "minimal" : null;
  if (asked === "none" || (asked === null && enabled === false)) return off;
  switch (asked) {
    case "minimal":
      return "minimal";
    case "low":
    case "medium":
      return "medium";
    case "high":
    case "xhigh":
    case "max":
      return "high";
  }
  return enabled === true || reasoning === "prompted" ? "medium" : null;
}
