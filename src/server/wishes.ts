/** What every route that generates lets its client ask for. */

import { z } from "zod";
import type { LogitAdjust, ModelCard, Sampling } from "../families/family.ts";
import { invalid } from "./errors.ts";
import { KNOWN_FIELDS } from "./known_fields.ts";
import { structuredFields } from "./structured.ts";
import { DEFAULT_LIMITS } from "./limits.ts";

export interface GenerationWishes {
  choices: number;
  /** null: what fits in the context. */
  maxTokens: number | null;
  minTokens: number;
  stop: string[];
  stopIds: number[];
  ignoreEos: boolean;
  sampling: Sampling;
  cacheSalt: string;
}

/** Entries of `logit_bias`. */
const BIASES = 300;
const { stopStrings, stopChars, stopIds, choices } = DEFAULT_LIMITS;
const stopString = z.string().min(1).max(stopChars);

/** OpenAI's names, and vLLM's for what OpenAI lacks. */
export const wishFields = {
  model: z.string().max(256).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  min_tokens: z.int().min(0).nullish(),
  temperature: z.number().min(0).max(2).nullish()
    .describe("Without it the checkpoint's generation_config decides: greedy where it does not sample"),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish().describe("-1 is none, as in vLLM and llama.cpp"),
  n: z.int().min(1).max(choices).nullish(),
  stop: z.union([stopString, z.array(stopString).max(stopStrings)]).nullish(),
  stop_token_ids: z.array(z.int().min(0).max(2 ** 31)).max(stopIds).nullish(),
  ignore_eos: z.boolean().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().min(0.01).max(10).nullish(),
  logit_bias: z.record(z.string().regex(/^\d{1,7}$/), z.number().min(-100).max(100)).nullish(),
  ...structuredFields,
  cache_salt: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/).nullish(),
};
const wishSchema = z.looseObject(wishFields);
export type WireWishes = z.infer<typeof wishSchema>;

/** What the request leaves open is the checkpoint's generation_config, not OpenAI's temperature of 1. */
export function wishesOf(
  wire: WireWishes,
  { sampling }: Pick<ModelCard, "sampling">,
  vocabulary: number,
): GenerationWishes {
  const { seed } = wire;
  return {
    choices: wire.n ?? 1,
    maxTokens: wire.max_tokens ?? null,
    minTokens: wire.min_tokens ?? 0,
    stop: typeof wire.stop === "string" ? [wire.stop] : wire.stop ?? [],
    stopIds: wire.stop_token_ids ?? [],
    ignoreEos: wire.ignore_eos ?? false,
    sampling: {
      temperature: wire.temperature ?? sampling.temperature,
      topP: Math.max(wire.top_p ?? sampling.topP, 1e-6),
      topK: Math.max(wire.top_k ?? sampling.topK, 0),
      minP: wire.min_p ?? sampling.minP,
      ...adjustOf(wire, vocabulary, sampling.adjust?.repetitionPenalty ?? 1),
      seed: seed == null || seed === -1
        ? crypto.getRandomValues(new Uint32Array(1))[0]
        : Number(BigInt.asUintN(32, BigInt(seed))),
    },
    cacheSalt: wire.cache_salt ?? "",
  };
}

function adjustOf(wire: WireWishes, vocabulary: number, penalty: number): { adjust?: LogitAdjust } {
  const { presence_penalty, frequency_penalty, repetition_penalty, logit_bias } = wire;
  const bias = Object.entries(logit_bias ?? {}).map(([id, value]) => [Number(id), value] as const);
  if (bias.length > BIASES) {
    throw invalid(`logit_bias may have ${BIASES} entries at most`, "logit_bias", "invalid_value");
  }
  if (bias.some(([id]) => id >= vocabulary)) {
    throw invalid(`logit_bias: the vocabulary has ${vocabulary} ids`, "logit_bias", "invalid_value");
  }
  const adjust = {
    repetitionPenalty: repetition_penalty ?? penalty,
    frequencyPenalty: frequency_penalty ?? 0,
    presencePenalty: presence_penalty ?? 0,
    bias,
  };
  const neutral = adjust.repetitionPenalty === 1 && adjust.frequencyPenalty === 0 &&
    adjust.presencePenalty === 0;
  return neutral && bias.length === 0 ? {} : { adjust };
}

/**
 * Fields outside the schema: refuses what is known and would change the answer; returns the names that nobody here
 * knows.
 */
export function ignoredFields(wire: Record<string, unknown>, shape: Record<string, unknown>): string[] {
  const ignored: string[] = [];
  for (const [field, value] of Object.entries(wire)) {
    if (Object.hasOwn(shape, field)) continue;
    if (!Object.hasOwn(KNOWN_FIELDS, field)) ignored.push(field);
    else if (!KNOWN_FIELDS[field](value)) {
      throw invalid(`${field} is not supported with this value`, field, "unsupported_value");
    }
  }
  return ignored;
}
