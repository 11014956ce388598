/** 300 schemas in the shapes that tools and forms have, the same at every run; one in seven asks for what no grammar holds. */

import { randomFrom } from "./campaign.ts";

type Json = Record<string, unknown>;

const NAMES = ["name", "price", "tags", "in stock", "größe", 'a"b', "kind", "items", "note", "sku"];
const PATTERNS = [
  "^[A-Z]{2}-\\d{3,5}$",
  "^\\w+$",
  "a|bc",
  "^[^ ]{1,8}$",
  "^(?:\\d{2}:){2}\\d{2}$",
  "^.{0,6}$",
];
const FORMATS = ["date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "duration", "uri"];
/** What is refused, each in one place of a schema. */
const UNSUPPORTED: Json[] = [
  { not: { type: "null" } },
  { type: "number", multipleOf: 0.01 },
  { type: "array", uniqueItems: true },
  { type: "object", patternProperties: { "^x": {} } },
  { if: { type: "string" }, then: { minLength: 2 } },
  { type: "array", contains: { type: "integer" } },
  { type: "string", pattern: "(?!a)b" },
];

export function ownSchemas(count = 300): unknown[] {
  const random = randomFrom(2026);
  const below = (most: number) => Math.floor(random() * most);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const range = (most: number): [number, number] => {
    const low = below(most) - Math.floor(most / 3);
    return [low, low + below(most)];
  };
  const leaf = (): Json => {
    const [low, high] = range(60);
    switch (below(10)) {
      case 0:
        return { type: "string" };
      case 1:
        return { type: "string", minLength: below(3), maxLength: 3 + below(9) };
      case 2:
        return { type: "string", pattern: pick(PATTERNS) };
      case 3:
        return { type: "string", format: pick(FORMATS) };
      case 4:
        return { type: "integer", minimum: low, maximum: high };
      case 5:
        return {
          type: "number",
          [pick(["minimum", "exclusiveMinimum"])]: low,
          [pick(["maximum", "exclusiveMaximum"])]: high + 1,
        };
      case 6:
        return { type: "boolean" };
      case 7:
        return { enum: [pick(NAMES), low, null, [1, "é"], { a: true }].slice(below(3)) };
      case 8:
        return { type: [pick(["string", "integer"]), "null"] };
      default:
        return { const: pick<unknown>([NAMES[5], 0, { x: [] }]) };
    }
  };
  const schema = (depth: number): Json => {
    if (depth === 0) return leaf();
    switch (below(6)) {
      case 0:
        return { type: "array", items: schema(depth - 1), minItems: below(2), maxItems: 2 + below(3) };
      case 1:
        return {
          type: "array",
          prefixItems: [leaf(), schema(depth - 1)],
          items: pick<unknown>([false, leaf()]),
        };
      case 2:
        return { anyOf: [schema(depth - 1), leaf(), { type: "null" }] };
      case 3:
        return { type: "object", additionalProperties: leaf() };
      default: {
        const names = NAMES.filter(() => random() < 0.4);
        return {
          type: "object",
          properties: Object.fromEntries(names.map((name) => [name, schema(depth - 1)])),
          required: names.filter(() => random() < 0.6),
          ...pick<Json>([{}, { additionalProperties: false }, { additionalProperties: true }]),
        };
      }
    }
  };
  return Array.from({ length: count }, (_, i) => {
    const made = schema(1 + i % 3);
    const whole = i % 7 === 3
      ? { type: "object", properties: { a: made, b: pick(UNSUPPORTED) }, required: ["b"] }
      : made;
    if (i % 11 !== 5) return whole;
    const tree = {
      type: "object",
      properties: { v: leaf(), next: { anyOf: [{ $ref: "#/$defs/n" }, { type: "null" }] } },
      required: ["v", "next"],
    };
    return {
      $defs: { n: tree, m: whole },
      type: "object",
      properties: { n: { $ref: "#/$defs/n" }, m: { $ref: "#/$defs/m" } },
      required: ["n"],
    };
  });
}
