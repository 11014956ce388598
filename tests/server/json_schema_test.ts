/** The grammar made of a schema lets nothing through that the schema refuses: random answers held to it by ajv. */

import { Grammars } from "../../src/engine/grammar/grammars.ts";
import { numberInRange } from "../../src/server/json_rules.ts";
import { enforceable } from "../../src/server/json_schema.ts";
import { SchemaError } from "../../src/server/json_schema_words.ts";
import { randomFrom } from "../../tools/campaign/campaign.ts";
import { BYTES, walkSchema } from "../../tools/campaign/schema_walk.ts";
import { assert, assertEquals } from "../support/assert.ts";

const SCHEMAS: unknown[] = [
  {
    type: "object",
    properties: { a: { type: "integer" }, 'b "c"\\': { type: "string" } },
    required: ['b "c"\\'],
  },
  { type: "object", additionalProperties: { type: "integer" } },
  {
    type: "object",
    properties: { a: { type: "integer" } },
    additionalProperties: { type: "null" },
    required: ["z"],
  },
  {
    type: "array",
    prefixItems: [{ type: "integer" }, { type: "null" }],
    items: { type: "string" },
    maxItems: 4,
  },
  { type: "integer", minimum: -12, exclusiveMaximum: 345 },
  { type: "number", minimum: 0, maximum: 1 },
  { type: "number", exclusiveMinimum: -3, exclusiveMaximum: 112 },
  { type: "number", maximum: -7 },
  { type: "string", minLength: 2, maxLength: 5 },
  { type: "string", pattern: "^[^@]{1,5}@x\\.(com|org)$" },
  { type: "string", pattern: "a.c|b" },
  { enum: ['a"b\\c', "ü\n", 1, null, { x: [1] }] },
  { enum: ["größe", "ßa", "ÿ0", "\\xdfe"] },
  { type: "string", pattern: "^(ße|ÿ0)$" },
  { oneOf: [{ type: "string" }, { type: "integer" }] },
  {
    $defs: { n: { anyOf: [{ type: "null" }, { type: "array", items: { $ref: "#/$defs/n" } }] } },
    $ref: "#/$defs/n",
  },
  { type: ["object", "boolean"], properties: { p: { type: "number", minimum: 0 } }, required: ["p"] },
];

Deno.test("random answers of schemas are valid by them", async () => {
  // The server's 2 s are no matter here: on a busy machine a schema would be refused for them.
  const grammars = new Grammars(BYTES, 60_000), random = randomFrom(5);
  try {
    for (const schema of SCHEMAS) {
      const walks = await walkSchema(grammars, schema, 6, random);
      assertEquals(
        walks.filter(({ outcome }) => outcome === "refused" || outcome === "invalid"),
        [],
        JSON.stringify(schema),
      );
      assert(walks.some(({ outcome }) => outcome === "valid"), JSON.stringify(schema));
    }
  } finally {
    grammars.end();
  }
});

Deno.test("what a grammar can't hold an answer to is refused at its place", () => {
  const cases: [unknown, string][] = [
    [{ properties: { a: { not: {} } } }, ".properties.a.not"],
    [{ anyOf: [{ type: "integer", multipleOf: 2 }] }, ".anyOf[0].multipleOf"],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, ".oneOf"],
    [{ allOf: [{}, {}] }, ".allOf"],
    [{ $ref: "#/x" }, ".$ref"],
    [{ $ref: "#/%zz", "%zz": {} }, ".$ref"],
    [{ $ref: "#", type: "string" }, ".type"],
    [{ type: "string", pattern: "a", maxLength: 3 }, ".pattern"],
    [{ type: "string", pattern: 'a"' }, ".pattern"],
    [{ type: "string", pattern: "\\s\\n" }, ".pattern"],
    [{ type: "number", minimum: 0.5 }, ".minimum"],
    [{ type: "number", minimum: 3, exclusiveMaximum: 3 }, ""],
    [{ type: "array", items: { type: "array", uniqueItems: true } }, ".items.uniqueItems"],
    [{ type: "object", properties: {}, additionalProperties: false, required: ["a"] }, ".required"],
    [{ type: "object", patternProperties: {} }, ".patternProperties"],
    [{ enum: [] }, ".enum"],
    [{ type: "string", enum: [1] }, ".enum"],
    [{ items: false, properties: false }, ".properties"],
    [false, ""],
    [[], ""],
    [{ anyOf: Array.from({ length: 1001 }, () => true) }, ".anyOf"],
  ];
  for (const [schema, path] of cases) {
    try {
      enforceable(schema);
    } catch (error) {
      assert(error instanceof SchemaError, String(error));
      assertEquals(error.path, path, JSON.stringify(schema));
      continue;
    }
    throw new Error(`was taken: ${JSON.stringify(schema)}`);
  }
  let deep: unknown = {};
  for (let i = 0; i < 60; i++) deep = { items: deep };
  try {
    enforceable(deep);
    throw new Error("was taken");
  } catch (error) {
    assert(error instanceof SchemaError && /deep/.test(error.message));
  }
});

Deno.test("a pattern of one long run is counted by shared rules, any other is left to the library", () => {
  const read = (pattern: string) => {
    const { rules, heaviest } = enforceable({ properties: { x: { type: "string", pattern } } });
    const [rule] = Object.values(rules);
    return typeof rule === "object" && "runs" in rule
      ? rule.runs.map(({ unit, fewest, most }) => `${unit} ${fewest} ${most}`)
      : heaviest;
  };
  assertEquals(read("^[a-z]{1,400}$"), ["[a-z] 1 400"]);
  assertEquals(read("id-\\d{40}[a-f.-]?\\.*"), [
    '"i" 1 1',
    '"d" 1 1',
    '"-" 1 1',
    "[0-9] 40 40",
    "[a-f.-] 0 1",
    '"." 0 null',
  ]);
  assertEquals(read("[^,]{20,}"), [String.raw`[^,"\\\x00-\x1f] 20 null`]);
  const place = (repetitions: number) => ({ path: ".properties.x.pattern", repetitions });
  assertEquals(read("[a-z]{1,16}"), place(16));
  assertEquals(read("[a-z]{1,40}[a-z0-9]{1,40}"), place(80));
  assertEquals(read("(ab){1,100}|c"), place(100));
  assertEquals(read("[a-z]+"), null);
});

Deno.test("whole numbers in a range, every one and no other", () => {
  const random = randomFrom(9);
  for (let i = 0; i < 60; i++) {
    const from = Math.floor(random() * 300) - 150, to = from + Math.floor(random() * 400);
    const expression = numberInRange({ from, to, above: false, below: false })!;
    // The grammar's notation as a regular expression of whole numbers.
    const pattern = expression.replaceAll(/ ?\("\." \[0-9\]\{1,15\}\)\?| ?\("\." "0"\{1,15\}\)\?/g, "")
      .replaceAll(/[" ]/g, "");
    const regex = new RegExp(`^(?:${pattern})$`);
    for (let n = from - 50; n <= to + 50; n++) {
      assertEquals(regex.test(String(n)), n >= from && n <= to, `${n} in ${from} … ${to}: ${pattern}`);
    }
  }
});
