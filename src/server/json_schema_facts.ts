/** What can be told of a schema at a glance. */

import type { Json } from "./json_schema_words.ts";

/** Types that the words of a schema are about. */
export function guessedTypes(own: Json): string[] {
  if (
    ["properties", "required", "additionalProperties", "minProperties", "maxProperties"].some((w) => w in own)
  ) {
    return ["object"];
  }
  if (["items", "prefixItems", "minItems", "maxItems", "uniqueItems"].some((w) => w in own)) return ["array"];
  if (["minLength", "maxLength", "pattern"].some((w) => w in own)) return ["string"];
  return ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"].some((w) => w in own)
    ? ["number"]
    : [];
}

/** No value is valid by two of them, as far as can be told at a glance. */
export function disjoint(list: unknown[]): boolean {
  const schemas = list.map((value) => (typeof value === "object" && value !== null ? value : {}) as Json);
  return schemas.every((a, i) => schemas.slice(i + 1).every((b) => excludes(a, b)));
}

function excludes(a: Json, b: Json): boolean {
  const values = (schema: Json) =>
    "const" in schema ? [schema.const] : Array.isArray(schema.enum) ? schema.enum : null;
  const types = (schema: Json) =>
    typeof schema.type === "string" ? [schema.type] : schema.type as string[] | undefined;
  const [av, bv, at, bt] = [values(a), values(b), types(a), types(b)];
  if (av !== null && bv !== null) {
    const known = new Set(av.map((value) => JSON.stringify(value)));
    return !bv.some((value) => known.has(JSON.stringify(value)));
  }
  if (at !== undefined && bt !== undefined) {
    const numeric = (type: string) => type === "integer" ? "number" : type;
    if (!at.some((type) => bt.map(numeric).includes(numeric(type)))) return true;
  }
  const shared = Object.keys((a.properties ?? {}) as Json).filter((name) =>
    [a, b].every((s) => Array.isArray(s.required) && s.required.includes(name)) &&
    Object.hasOwn((b.properties ?? {}) as Json, name)
  );
  return shared.some((name) => {
    const [pa, pb] = [(a.properties as Json)[name] as Json, (b.properties as Json)[name] as Json];
    return values(pa ?? {}) !== null && values(pb ?? {}) !== null && excludes(pa, pb);
  });
}

/** Whether a value is of a schema's type. */
export function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return (typeof value as string) === type;
  }
}
