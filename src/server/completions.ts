/** POST /v1/completions: text goes on as it stands, without a template. */

import { z } from "zod";
import { contextOf } from "../engine/admission.ts";
import { MAX_LOGPROBS, type Prompt } from "../families/family.ts";
import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import { checkModel, refuseLonger } from "./chat_request.ts";
import { usageOf } from "./chat_response.ts";
import { compiled, nameIgnored } from "./conversation.ts";
import { invalid } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { type Answer, startAnswer } from "./generation.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { completionScores, NO_SCORES, type ScoreWording } from "./logprobs.ts";
import { data, DONE } from "./sse.ts";
import { idList } from "./id_list.ts";
import { readWhole, streamAnswer, type Wording } from "./streaming.ts";
import { askedRule, constraintOf, type ToolChoice } from "./structured.ts";
import { validated } from "./validation.ts";
import { ignoredFields, wishesOf, wishFields } from "./wishes.ts";

const MOST_CHARACTERS = 1 << 20;
const text = z.string().min(1).max(MOST_CHARACTERS);
const tokens = idList(1);

const NO_TOOLS: ToolChoice = { mode: "none", tools: [], named: null, oneCall: false };

export const completionSchema = z.looseObject({
  ...wishFields,
  prompt: z.union([
    text,
    tokens,
    z.array(text).min(1).max(DEFAULT_LIMITS.choices),
    z.array(tokens).min(1).max(DEFAULT_LIMITS.choices),
  ]),
  suffix: z.null().optional(),
  logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
});

interface Head {
  id: string;
  created: number;
  model: string;
}

export async function completions(
  request: Request,
  context: AppContext,
  exchange: Exchange,
): Promise<Response> {
  const { signal } = request;
  const body = await readJson(request, context.limits, exchange.body);
  const wire = validated(completionSchema, body);
  const { id: model, card, vocabulary } = context.served();
  checkModel(wire.model, model);
  const ignored = ignoredFields(wire, completionSchema.shape);
  const asked = askedRule(wire);
  const constraint = asked && constraintOf(asked, NO_TOOLS, null);
  if (constraint !== null) refuseLonger(wire);
  const limits = constraint === null ? {} : await compiled(constraint, context);
  const wishes = { ...wishesOf(wire, card, vocabulary), ...limits };
  if (wire.logprobs != null) wishes.sampling.logprobs = wire.logprobs;
  const prompts = await promptsOf(wire.prompt, context);
  if (prompts.length * wishes.choices > context.limits.choices) {
    throw invalid(`Prompts times n may be ${context.limits.choices} at most`, "n", "too_many_choices");
  }
  const answer = startAll(
    prompts,
    (prompt) =>
      startAnswer(
        prompt,
        wishes,
        { tools: false, pieces: false, answer: null, edges: null, oneCall: false },
        context,
        exchange,
        signal,
      ),
  );
  const head = {
    id: `cmpl-${crypto.randomUUID().replaceAll("-", "")}`,
    created: Math.floor(Date.now() / 1000),
    model,
  };
  const { prompt: builder } = context;
  // One a choice: it counts characters.
  const scoresOf = () => wire.logprobs == null ? NO_SCORES : completionScores((id) => builder.tokenBytes(id));
  const response = wire.stream
    ? streamAnswer(
      answer,
      wordingOf(head, answer, wire.stream_options?.include_usage ?? false, scoresOf),
      context,
      exchange,
    )
    : await whole(head, answer, exchange, scoresOf);
  nameIgnored(response, ignored, exchange);
  return response;
}

/** One prompt or several, as text or as ids. Throws ApiError. */
async function promptsOf(
  given: z.infer<typeof completionSchema>["prompt"],
  { prompt: builder, served, engine }: AppContext,
): Promise<Prompt[]> {
  const list = Array.isArray(given) && typeof given[0] !== "number"
    ? given as (string | number[])[]
    : [given as string | number[]];
  const { vocabulary } = served(), most = engine.info === null ? Infinity : contextOf(engine.info);
  const prompts: Prompt[] = [];
  for (const one of list) {
    const ids = typeof one === "string" ? await builder.encodeLong(one, most) : Uint32Array.from(one);
    if (ids === null) {
      const message = `prompt: it is longer than the context of ${most} tokens`;
      throw invalid(message, "prompt", "context_length_exceeded");
    }
    if (ids.some((id) => id >= vocabulary)) {
      throw invalid(`prompt: the vocabulary has ${vocabulary} ids`, "prompt", "invalid_value");
    }
    prompts.push({
      ids,
      positions: null,
      ropeDelta: 0,
      media: [],
      spans: [],
      mediaTokens: { image: 0, video: 0, audio: 0 },
    });
  }
  return prompts;
}

/** All prompts as one answer, or none of them. */
function startAll(prompts: Prompt[], start: (prompt: Prompt) => Answer): Answer {
  const answers: Answer[] = [];
  const stop = () => answers.forEach((answer) => answer.stop());
  try {
    for (const prompt of prompts) answers.push(start(prompt));
  } catch (error) {
    stop();
    throw error;
  }
  return {
    choices: answers.flatMap((answer) => answer.choices),
    promptTokens: answers.reduce((sum, answer) => sum + answer.promptTokens, 0),
    mediaTokens: { image: 0, video: 0, audio: 0 },
    stop,
  };
}

async function whole(
  head: Head,
  answer: Answer,
  exchange: Exchange,
  scoresOf: () => ScoreWording,
): Promise<Response> {
  const choices = await readWhole(answer, exchange);
  if (choices === null) return new Response(null, { status: 499 });
  const usage = usageOf(answer, choices.map(({ counts }) => counts));
  return Response.json({
    ...object(
      head,
      choices.map(({ content, finish, scores }, index) => ({
        index,
        text: content,
        logprobs: scoresOf()(scores),
        finish_reason: finish,
      })),
    ),
    usage,
  });
}

function wordingOf(head: Head, answer: Answer, includeUsage: boolean, scoresOf: () => ScoreWording): Wording {
  const scores = answer.choices.map(scoresOf);
  return {
    start: () => [],
    *news(index, news) {
      const text = "delta" in news && news.delta.type === "content" ? news.delta.text : "";
      const finish_reason = "finish" in news ? news.finish : null;
      const logprobs = news.scores.length === 0 ? null : scores[index](news.scores);
      yield data(object(head, [{ index, text, logprobs, finish_reason }]));
    },
    *end(choices) {
      if (includeUsage) {
        yield data({
          ...object(head, []),
          usage: usageOf(answer, choices.map(({ counts }) => counts)),
        });
      }
      yield DONE;
    },
    failure: (error) => [data(error.body)],
  };
}

function object({ id, created, model }: Head, choices: unknown[]) {
  return { id, object: "text_completion", created, model, choices };
}
