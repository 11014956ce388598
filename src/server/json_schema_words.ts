/** The words of JSON schemas, and their values read with a type, or refused by place. */

export type Json = Record<string, unknown>;

/** Values, names or schemas in one list. */
export const MOST_CHOICES = 1000;

/** Constrain what no grammar here holds: refused. Words that nobody knows constrain nothing, by the standard. */
export const NOT_ENFORCED = [
  "not",
  "if",
  "then",
  "else",
  "dependentRequired",
  "dependentSchemas",
  "dependencies",
  "contains",
  "minContains",
  "maxContains",
  "multipleOf",
  "patternProperties",
  "propertyNames",
  "unevaluatedProperties",
  "unevaluatedItems",
  "$dynamicRef",
  "$recursiveRef",
  "divisibleBy",
  "disallow",
  "extends",
];
/** What constrains beside `anyOf`, `$ref` and the like. */
export const CONSTRAINTS = [
  "type",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "allOf",
  "$ref",
  "properties",
  "required",
  "additionalProperties",
  "minProperties",
  "maxProperties",
  "items",
  "prefixItems",
  "additionalItems",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minLength",
  "maxLength",
  "pattern",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
];
export const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"];
export const FORMATS = new Set(["date", "time", "date-time", "duration", "email", "ipv4", "ipv6", "uuid"]);

/** Where a schema can't be taken: `path` as clients write it, from the schema's own root. */
export class SchemaError extends Error {
  constructor(readonly path: string, message: string) {
    super(message);
    this.name = "SchemaError";
  }
}

type Bounds = Partial<Record<"minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", number>>;

export function bounds(own: Json, path: string): Bounds {
  const out: Bounds = {};
  for (const word of ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const) {
    const value = own[word];
    if (value === undefined) continue;
    if (typeof value !== "number" || Math.abs(value) > 1e15) {
      throw new SchemaError(`${path}.${word}`, "it is not a number within ±10^15");
    }
    out[word] = value;
  }
  return out;
}

export function countOf(own: Json, word: string, path: string): number | undefined {
  const value = own[word];
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 100_000) return value;
  throw new SchemaError(`${path}.${word}`, "it is not a whole number from 0 to 100000");
}

export function objectOf(value: unknown, path: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new SchemaError(path, "it is not an object");
}

export function listOf(value: unknown, path: string, most: number, fewest = 1): unknown[] {
  if (Array.isArray(value) && value.length >= fewest && value.length <= most) return value;
  throw new SchemaError(path, `it is not a list of ${fewest} to ${most}`);
}
