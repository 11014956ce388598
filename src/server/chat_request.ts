/** A chat request as the server understands it: unknown JSON in, typed request out, or an error naming the field. */

import type { AnswerTags, Effort, ModelCard, PromptOptions } from "../families/family.ts";
import { chatSchema, type WireChat } from "./chat_schema.ts";
import type { MediaWishes } from "./content.ts";
import type { WireMessage } from "./content_schema.ts";
import { ApiError, invalid } from "./errors.ts";
import { mediaLimits } from "./media_parts.ts";
import { askedRule, type Constraint, constraintOf, type ToolChoice } from "./structured.ts";
import { validated } from "./validation.ts";
import { type GenerationWishes, ignoredFields, type WireWishes, wishesOf } from "./wishes.ts";

export interface ChatRequest {
  messages: WireMessage[];
  stream: boolean;
  includeUsage: boolean;
  wishes: GenerationWishes;
  prompt: PromptOptions;
  media: MediaWishes;
  /** The answer ends with its first tool call. */
  oneCall: boolean;
  /** Tools may be called: the request does not say none. */
  mayCall: boolean;
  /** What the answer must look like; null: anything. */
  constraint: Constraint | null;
  /** Tokens after which a thought is closed; null: none. */
  thoughtBudget: number | null;
  /** The oldest messages may be left out where all do not fit. */
  truncate: boolean;
  /** Top-level fields that nobody here knows. */
  ignored: string[];
}

export interface Served {
  id: string;
  card: ModelCard;
  /** Ids that the model knows. */
  vocabulary: number;
}

/** Throws ApiError. */
export function parseChatRequest(body: unknown, { id, card, vocabulary }: Served): ChatRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid("The body must be a JSON object", null, "invalid_value");
  }
  const wire = validated(chatSchema, body);
  checkModel(wire.model, id);
  const ignored = ignoredFields(wire, chatSchema.shape);
  const choice = toolsOf(wire);
  const effort = effortOf(wire, card);
  const media = wire.mm_processor_kwargs ?? {};
  const limits = mediaLimits(media);
  return {
    messages: wire.messages,
    stream: wire.stream ?? false,
    includeUsage: wire.stream_options?.include_usage ?? false,
    wishes: withLogprobs({ ...wishesOf(wire, card, vocabulary), maxTokens: maxTokensOf(wire) }, wire),
    prompt: {
      tools: choice.mode === "none" ? [] : choice.tools,
      effort,
      tokenization: "safe",
      limits,
    },
    oneCall: choice.oneCall,
    mayCall: choice.mode !== "none",
    constraint: constraintFor(wire, choice, effort === null ? null : card.tags),
    thoughtBudget: effort === null ? null : wire.thinking_token_budget ?? null,
    media: { limits, audioInVideo: media.use_audio_in_video ?? "auto" },
    truncate: false,
    ignored,
  };
}

/** For routes whose answers are one choice without scores. Throws ApiError. */
export function parseSingleAnswer(body: unknown, served: Served): ChatRequest {
  const chat = parseChatRequest(body, served);
  if (chat.wishes.choices !== 1) throw invalid("n: this route gives one answer", "n", "unsupported_value");
  if (chat.wishes.sampling.logprobs !== undefined) {
    throw invalid("logprobs: this route has none", "logprobs", "unsupported_value");
  }
  return chat;
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

function withLogprobs(wishes: GenerationWishes, { logprobs, top_logprobs }: WireChat): GenerationWishes {
  if (!logprobs && top_logprobs) {
    throw invalid("top_logprobs needs logprobs", "top_logprobs", "invalid_value");
  }
  if (!logprobs) return wishes;
  return { ...wishes, sampling: { ...wishes.sampling, logprobs: top_logprobs ?? 0 } };
}

function toolsOf({ tools: given, tool_choice: choice, parallel_tool_calls: parallel }: WireChat): ToolChoice {
  const tools = (given ?? []).map((raw) => ({ name: raw.function.name, raw }));
  const oneCall = parallel === false;
  if (choice == null || typeof choice === "string") {
    if (choice === "required" && tools.length === 0) {
      throw invalid("tool_choice: there are no tools to call", "tool_choice", "invalid_value");
    }
    return { mode: choice ?? "auto", tools, named: null, oneCall };
  }
  const named = choice.type === "function" ? choice.function?.name ?? null : null;
  if (named === null) {
    throw invalid(
      "tool_choice: auto, none, required or a function's name",
      "tool_choice",
      "unsupported_value",
    );
  }
  if (!tools.some(({ name }) => name === named)) {
    throw invalid(`tool_choice: there is no tool ${JSON.stringify(named)}`, "tool_choice", "invalid_value");
  }
  return { mode: "required", tools, named, oneCall };
}

/** Throws ApiError. */
function constraintFor(wire: WireChat, choice: ToolChoice, tags: AnswerTags | null): Constraint | null {
  const constraint = constraintOf(askedRule(wire), choice, tags);
  if (constraint !== null) refuseLonger(wire);
  return constraint;
}

/** A grammar ends the answer where it ends. */
export function refuseLonger({ ignore_eos, min_tokens }: WireWishes): void {
  for (const [field, set] of [["ignore_eos", ignore_eos], ["min_tokens", min_tokens]] as const) {
    if (set) throw invalid(`${field} cannot be had with constrained output`, field, "unsupported_value");
  }
}

/** OpenAI's levels → the model's three; without word from the client, what the model's card says. */
function effortOf(wire: WireChat, { reasoning }: ModelCard): Effort | null {
  const budget = wire.thinking_token_budget ?? null;
  const asked = wire.reasoning_effort ?? wire.reasoning?.effort ?? null;
  // A budget asks for a thought, unless it is 0.
  const enabled = wire.enable_thinking ?? wire.chat_template_kwargs?.enable_thinking ??
    (budget === null ? null : budget > 0);
  if (budget !== null && budget > 0 && (asked === "none" || (asked === null && enabled === false))) {
    const message = "thinking_token_budget: the request asks for no thought";
    throw invalid(message, "thinking_token_budget", "invalid_value");
  }
  const field = wire.reasoning_effort != null
    ? "reasoning_effort"
    : asked !== null
    ? "reasoning"
    : budget !== null
    ? "thinking_token_budget"
    : "chat_template_kwargs";
  if (reasoning === "none") {
    if ((asked !== null && asked !== "none") || enabled === true) {
      throw invalid("This model has no reasoning effort", field, "reasoning_unsupported");
    }
    return null;
  }
  const off = reasoning === "prompted" ? "minimal" : null;
  if (asked === "none" || budget === 0 || (asked === null && enabled === false)) return off;
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
