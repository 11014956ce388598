/** Constrained output: every spelling of it → one rule, with the field that it came from. */

import { z } from "zod";
import type { GrammarError, GrammarSpec, JsonRule, Rule, ToolRule } from "../engine/grammar/spec.ts";
import type { AnswerTags } from "../families/family.ts";
import { type ApiError, invalid } from "./errors.ts";
import { enforceable } from "./json_schema.ts";
import { SchemaError } from "./json_schema_words.ts";

const MOST_TEXT = 64 << 10, MOST_CHOICES = 1000;

const pattern = z.string().min(1).max(MOST_TEXT);
const choices = z.array(z.string().min(1).max(4096)).min(1).max(MOST_CHOICES);
const schema = z.union([z.string().max(MOST_TEXT), z.record(z.string(), z.unknown()), z.boolean()]);

/** OpenAI's name, vLLM's (today's and older ones) and SGLang's. */
export const structuredFields = {
  response_format: z.looseObject({
    type: z.enum(["text", "json_object", "json_schema"]),
    json_schema: z.looseObject({
      name: z.string().max(256).nullish(),
      schema: schema.nullish(),
      strict: z.boolean().nullish(),
    }).nullish(),
  }).nullish(),
  structured_outputs: z.strictObject({
    json: schema.nullish(),
    regex: pattern.nullish(),
    choice: choices.nullish(),
    grammar: pattern.nullish(),
    json_object: z.boolean().nullish(),
  }).nullish(),
  guided_json: schema.nullish(),
  guided_regex: pattern.nullish(),
  guided_choice: choices.nullish(),
  guided_grammar: pattern.nullish(),
  json_schema: z.string().max(MOST_TEXT).nullish(),
  regex: pattern.nullish(),
  ebnf: pattern.nullish(),
};
const structuredSchema = z.looseObject(structuredFields);
export type WireStructured = z.infer<typeof structuredSchema>;

/** A rule and the field that asks for it. */
export interface AskedRule {
  rule: Rule;
  param: string;
  heavy: HeavyPlace | null;
}

/** The pattern with most repetitions, as clients name its place. */
interface HeavyPlace {
  param: string;
  repetitions: number;
}

/** What the answer must look like; null: anything. Throws ApiError. */
export function askedRule(wire: WireStructured): AskedRule | null {
  const given = [...rulesIn(wire)];
  if (given.length > 1) {
    const message = `${given[1][0]}: ${given[0][0]} constrains the answer already`;
    throw invalid(message, given[1][0], "invalid_value");
  }
  if (given.length === 0) return null;
  const [[param, read]] = given;
  return { param, heavy: null, ...read() };
}

type ReadRule = { rule: Rule; heavy?: HeavyPlace | null };

function* rulesIn(wire: WireStructured): Generator<[param: string, read: () => ReadRule]> {
  const { response_format: format, structured_outputs: outputs } = wire;
  if (format?.type === "json_object") {
    yield ["response_format", () => jsonRule({ type: "object" }, "response_format")];
  }
  if (format?.type === "json_schema") {
    const param = "response_format.json_schema.schema";
    yield [param, () => {
      const asked = format.json_schema?.schema;
      if (asked == null) throw invalid(`${param} is missing`, param, "invalid_value");
      return jsonRule(asked, param);
    }];
  }
  if (outputs?.json_object) {
    yield [
      "structured_outputs.json_object",
      () => jsonRule({ type: "object" }, "structured_outputs.json_object"),
    ];
  }
  const json = {
    "structured_outputs.json": outputs?.json,
    guided_json: wire.guided_json,
    json_schema: wire.json_schema,
  };
  for (const [param, asked] of Object.entries(json)) {
    if (asked != null) {
      yield [param, () => jsonRule(asked, param)];
    }
  }
  const patterns = {
    "structured_outputs.regex": outputs?.regex,
    guided_regex: wire.guided_regex,
    regex: wire.regex,
  };
  for (const [param, asked] of Object.entries(patterns)) {
    if (asked != null) yield [param, () => ({ rule: { type: "regex", pattern: asked } })];
  }
  const lists = { "structured_outputs.choice": outputs?.choice, guided_choice: wire.guided_choice };
  for (const [param, asked] of Object.entries(lists)) {
    if (asked != null) yield [param, () => ({ rule: { type: "choice", choices: asked } })];
  }
  const grammars = {
    "structured_outputs.grammar": outputs?.grammar,
    guided_grammar: wire.guided_grammar,
    ebnf: wire.ebnf,
  };
  for (const [param, asked] of Object.entries(grammars)) {
    if (asked != null) yield [param, () => ({ rule: { type: "ebnf", grammar: asked } })];
  }
}

/** Throws ApiError that names the place in the schema. */
function jsonRule(asked: unknown, param: string): { rule: JsonRule; heavy: HeavyPlace | null } {
  let schema = asked;
  if (typeof asked === "string") {
    try {
      schema = JSON.parse(asked);
    } catch {
      throw invalid(`${param}: it is not JSON`, param, "invalid_schema");
    }
  }
  try {
    const { heaviest, ...enforced } = enforceable(schema);
    const heavy = heaviest && { param: placeIn(param, heaviest.path), repetitions: heaviest.repetitions };
    return { rule: { type: "json", ...enforced }, heavy };
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    const place = placeIn(param, error.path);
    throw invalid(`${place}: ${error.message.slice(0, 300)}`, place, "unsupported_schema");
  }
}

function placeIn(param: string, path: string): string {
  return `${param}${path}`.slice(0, 300); // names may be long
}

/** What the whole answer must look like, and the field to blame where that can't be had. */
export interface Constraint {
  spec: GrammarSpec;
  param: string;
  /** To blame where the grammar is too complex; null: the field. */
  heavy: HeavyPlace | null;
}

export interface ToolChoice {
  mode: "auto" | "none" | "required";
  tools: { name: string; raw: unknown }[];
  /** The one that must be called. */
  named: string | null;
  oneCall: boolean;
}

/** `tags`: of the thought that comes first; null: none comes. Throws ApiError. */
export function constraintOf(
  asked: AskedRule | null,
  choice: ToolChoice,
  tags: AnswerTags | null,
): Constraint | null {
  const forced = choice.mode === "required";
  if (asked === null && !forced) return null;
  const places = asked?.heavy ? [asked.heavy] : [];
  const tools = choice.mode === "none" ? [] : choice.tools.flatMap((tool, index): ToolRule[] => {
    if (choice.named !== null && tool.name !== choice.named) return [];
    const given = (tool.raw as { function: { parameters?: unknown } }).function.parameters;
    const param = `tools[${index}].function.parameters`;
    const schema = given ?? { type: "object", properties: {}, additionalProperties: false };
    const { rule, heavy } = jsonRule(schema, param);
    if (heavy !== null) places.push(heavy);
    return [{ name: tool.name, arguments: rule }];
  });
  return {
    heavy: places.sort((a, b) => b.repetitions - a.repetitions)[0] ?? null,
    param: forced ? "tool_choice" : asked!.param,
    spec: {
      thought: tags?.thought ?? null,
      answer: tags?.answer ?? null,
      content: forced ? null : asked!.rule,
      tools,
      calls: choice.oneCall || choice.named !== null ? "one" : "several",
    },
  };
}

/** As the library or its deadline puts it. */
export function refusedGrammar({ param, heavy }: Constraint, { message, code }: GrammarError): ApiError {
  const place = code === "grammar_too_complex" && heavy !== null ? heavy.param : param;
  return invalid(`${place}: ${message}`, place, code);
}
