/**
 * A client's JSON schema → one that the grammar enforces in full, or a refusal that names the place. What the grammar
 * cannot hold an answer to is never left out in silence.
 */

import { safePattern } from "./json_pattern.ts";
import { disjoint, guessedTypes, hasType } from "./json_schema_facts.ts";
import type { JsonRule } from "../engine/grammar/spec.ts";
import { longRuns, repetitionsIn } from "./simple_pattern.ts";
import { numberInRange } from "./json_rules.ts";
import {
  bounds,
  CONSTRAINTS,
  countOf,
  FORMATS,
  type Json,
  listOf,
  NOT_ENFORCED,
  objectOf,
  SchemaError,
  TYPES,
} from "./json_schema_words.ts";

/** Bounds on what is looked at at all; the compiler has its own deadline. */
const MOST_NODES = 2000, MOST_DEPTH = 48, MOST_CHOICES = 1000, MOST_BYTES = 256 << 10;

/** `type` beside `enum` and `const` is only looked at. */
const impliedBy = (word: string, other: string) => other === "type" && (word === "enum" || word === "const");

/** A schema that the grammar enforces in full. */
export interface Enforced {
  schema: unknown;
  /** What stands in the schema as a constant string → the expression in EBNF that is meant. */
  rules: JsonRule["rules"];
  /** The pattern with most repetitions, from the schema's root: to blame where the grammar is too complex. */
  heaviest: Heavy | null;
}

export interface Heavy {
  path: string;
  repetitions: number;
}

/** Throws SchemaError. */
export function enforceable(schema: unknown): Enforced {
  const text = JSON.stringify(schema);
  if (text.length > MOST_BYTES) throw new SchemaError("", `it is over ${MOST_BYTES >> 10} KiB`);
  const reader = new Reader(schema, text);
  return { schema: reader.read(schema, "", 0), rules: reader.rules, heaviest: reader.heaviest };
}

class Reader {
  readonly rules: JsonRule["rules"] = {};
  heaviest: Heavy | null = null;
  readonly #mark: string;
  #nodes = 0;

  constructor(readonly root: unknown, text: string) {
    let mark = 0;
    while (text.includes(`valley${mark}-`)) mark++;
    this.#mark = `valley${mark}-`;
  }

  /** A constant that stands for an expression. */
  #meaning(expression: JsonRule["rules"][string]): Json {
    return { const: this.#standIn(expression) };
  }

  /** The same for the same. */
  #standIn(expression: JsonRule["rules"][string]): string {
    const text = JSON.stringify(expression);
    const known = Object.entries(this.rules).find(([, rule]) => JSON.stringify(rule) === text);
    if (known !== undefined) return known[0];
    const name = `${this.#mark}${Object.keys(this.rules).length}-`;
    this.rules[name] = expression;
    return name;
  }

  read(schema: unknown, path: string, depth: number): unknown {
    if (++this.#nodes > MOST_NODES) throw new SchemaError(path, `it has over ${MOST_NODES} parts`);
    if (depth > MOST_DEPTH) throw new SchemaError(path, `it is over ${MOST_DEPTH} deep`);
    if (schema === true) return true;
    if (schema === false) throw new SchemaError(path, "nothing would be valid");
    const own = objectOf(schema, path);
    for (const word of NOT_ENFORCED) {
      if (word in own) throw new SchemaError(`${path}.${word}`, `${word} is not supported`);
    }
    const out: Json = {};
    const deeper = (value: unknown, at: string) => this.read(value, `${path}.${at}`, depth + 1);
    // Kept beside anything: definitions that references lead to.
    for (const word of ["$defs", "definitions"]) {
      if (word in own) {
        out[word] = this.#each(objectOf(own[word], `${path}.${word}`), `${path}.${word}`, depth);
      }
    }
    for (const word of ["$ref", "anyOf", "oneOf", "allOf", "enum", "const"]) {
      if (!(word in own)) continue;
      const beside = CONSTRAINTS.find((other) => other !== word && other in own && !impliedBy(word, other));
      if (beside !== undefined) {
        throw new SchemaError(`${path}.${beside}`, `${beside} beside ${word} is not supported`);
      }
    }
    if ("$ref" in own) return { ...out, $ref: this.#reference(own.$ref, `${path}.$ref`) };
    if ("enum" in own || "const" in own) return { ...out, ...this.#values(own, path) };
    for (const word of ["anyOf", "oneOf", "allOf"]) {
      if (!(word in own)) continue;
      const list = listOf(own[word], `${path}.${word}`, MOST_CHOICES);
      if (word === "allOf" && list.length > 1) {
        throw new SchemaError(`${path}.allOf`, "only one schema is supported");
      }
      if (word === "oneOf" && !disjoint(list)) {
        throw new SchemaError(
          `${path}.oneOf`,
          "only schemas that plainly exclude each other are supported; use anyOf",
        );
      }
      return { ...out, anyOf: list.map((value, i) => deeper(value, `${word}[${i}]`)) };
    }
    const types = this.#types(own, path);
    if (types.length === 0) return { ...out };
    if (types.length > 1) return { ...out, anyOf: types.map((type) => this.#typed(own, type, path, depth)) };
    return { ...out, ...this.#typed(own, types[0], path, depth) };
  }

  #each(values: Json, path: string, depth: number): Json {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, this.read(value, `${path}.${name}`, depth + 1)]),
    );
  }

  #reference(value: unknown, path: string): string {
    if (typeof value !== "string" || !/^#(\/|$)/.test(value)) {
      throw new SchemaError(path, "only references into the schema itself (#/…) are supported");
    }
    const steps = value.split("/").slice(1).map((step) =>
      decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")
    );
    let at: unknown = this.root;
    for (const step of steps) {
      at = typeof at === "object" && at !== null && Object.hasOwn(at, step) ? (at as Json)[step] : undefined;
    }
    if (at === undefined) throw new SchemaError(path, "it leads nowhere");
    if (steps.some((step) => /[/~%]/.test(step))) {
      throw new SchemaError(path, "names with / or ~ are not supported");
    }
    return value;
  }

  #values(own: Json, path: string): Json {
    const values = "const" in own ? [own.const] : listOf(own.enum, `${path}.enum`, MOST_CHOICES);
    const types = "type" in own ? this.#types(own, path) : null;
    const fitting = values.filter((value) => types === null || types.some((type) => hasType(value, type)));
    if (fitting.length === 0) {
      throw new SchemaError(`${path}.${"const" in own ? "const" : "enum"}`, "no value has the type");
    }
    return { enum: fitting.map((value) => isPlain(value) ? value : this.#standIn(literal(value))) };
  }

  #types(own: Json, path: string): string[] {
    const types = own.type === undefined
      ? guessedTypes(own)
      : Array.isArray(own.type)
      ? own.type
      : [own.type];
    for (const type of types) {
      if (!TYPES.includes(type as string)) {
        throw new SchemaError(`${path}.type`, `${JSON.stringify(type)?.slice(0, 40)} is no type`);
      }
    }
    if (own.type !== undefined && types.length === 0) throw new SchemaError(`${path}.type`, "it is empty");
    return types as string[];
  }

  #typed(own: Json, type: string, path: string, depth: number): Json {
    switch (type) {
      case "object":
        return { type, ...this.#object(own, path, depth) };
      case "array":
        return { type, ...this.#array(own, path, depth) };
      case "string":
        return this.#string(own, path);
      case "integer":
        return { type, ...bounds(own, path) };
      case "number":
        return this.#number(own, path);
      default:
        return { type };
    }
  }

  #object(own: Json, path: string, depth: number): Json {
    const named = "properties" in own
      ? this.#each(objectOf(own.properties, `${path}.properties`), `${path}.properties`, depth)
      : {};
    const required = "required" in own ? listOf(own.required, `${path}.required`, MOST_CHOICES, 0) : [];
    const rest = own.additionalProperties ?? (Object.keys(named).length === 0 ? true : undefined);
    const unnamed = required.flatMap((name): [string, unknown][] => {
      if (typeof name !== "string") throw new SchemaError(`${path}.required`, "names are strings");
      if (Object.hasOwn(named, name)) return [];
      if (rest === false) throw new SchemaError(`${path}.required`, `${name} may not be there`);
      const schema = rest === undefined ? true : this.read(rest, `${path}.additionalProperties`, depth + 1);
      return [[name, schema]];
    });
    const properties = Object.fromEntries([...Object.entries(named), ...unnamed]);
    const count = Object.keys(properties).length;
    const fewest = countOf(own, "minProperties", path) ?? 0,
      most = countOf(own, "maxProperties", path) ?? Infinity;
    if (fewest > required.length) throw new SchemaError(`${path}.minProperties`, "it is not supported");
    if (most < count || (most !== Infinity && count === 0 && rest !== false)) {
      throw new SchemaError(`${path}.maxProperties`, "it is not supported");
    }
    // Beside named properties nothing else is written, though it may be allowed: a name could come twice.
    const others = count > 0 || rest === false
      ? false
      : rest === undefined || rest === true
      ? true
      : this.read(rest, `${path}.additionalProperties`, depth + 1);
    return {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, value]) => [this.#key(name), value]),
      ),
      required: required.map((name) => this.#key(name as string)),
      additionalProperties: others,
    };
  }

  /** Names with characters that are escaped in JSON or in a grammar go by a stand-in. */
  #key(name: string): string {
    return isPlain(name) ? name : this.#standIn(literal(name));
  }

  #string(own: Json, path: string): Json {
    const { pattern, format } = own;
    const fewest = countOf(own, "minLength", path), most = countOf(own, "maxLength", path);
    if (most !== undefined && most < (fewest ?? 0)) {
      throw new SchemaError(`${path}.maxLength`, "it is less than minLength");
    }
    if (pattern !== undefined) {
      if (typeof pattern !== "string") throw new SchemaError(`${path}.pattern`, "it is no string");
      if (fewest !== undefined || most !== undefined) {
        throw new SchemaError(`${path}.pattern`, "pattern beside minLength and maxLength is not supported");
      }
      return this.#pattern(pattern, `${path}.pattern`);
    }
    if ((fewest ?? 0) > 0 || most !== undefined) {
      return this.#meaning({ fewest: fewest ?? 0, most: most ?? null });
    }
    // A format is a remark, not a constraint; those that the grammar knows are kept.
    return { type: "string", ...(FORMATS.has(format as string) ? { format } : {}) };
  }

  #pattern(pattern: string, path: string): Json {
    let safe: string;
    try {
      safe = safePattern(pattern);
    } catch (error) {
      throw new SchemaError(path, (error as Error).message);
    }
    const runs = longRuns(safe);
    if (runs !== null) return this.#meaning({ runs });
    const repetitions = repetitionsIn(safe);
    if (repetitions > (this.heaviest?.repetitions ?? 0)) this.heaviest = { path, repetitions };
    return { type: "string", pattern: `(${safe})` };
  }

  #number(own: Json, path: string): Json {
    const given = bounds(own, path);
    if (Object.keys(given).length === 0) return { type: "number" };
    for (const [word, value] of Object.entries(given)) {
      if (!Number.isInteger(value)) {
        throw new SchemaError(`${path}.${word}`, "only whole numbers are supported as bounds");
      }
    }
    const { minimum = -Infinity, exclusiveMinimum = -Infinity } = given;
    const { maximum = Infinity, exclusiveMaximum = Infinity } = given;
    const expression = numberInRange({
      from: Math.max(minimum, exclusiveMinimum),
      to: Math.min(maximum, exclusiveMaximum),
      above: exclusiveMinimum >= minimum && exclusiveMinimum !== -Infinity,
      below: exclusiveMaximum <= maximum && exclusiveMaximum !== Infinity,
    });
    if (expression === null) throw new SchemaError(path, "no number lies within the bounds");
    return this.#meaning(expression);
  }

  #array(own: Json, path: string, depth: number): Json {
    if ("uniqueItems" in own && own.uniqueItems !== false) {
      throw new SchemaError(`${path}.uniqueItems`, "uniqueItems is not supported");
    }
    // Before 2020 a list of `items` was what `prefixItems` is now.
    const tuple = Array.isArray(own.items) ? own.items : own.prefixItems;
    const rest = Array.isArray(own.items) ? own.additionalItems ?? true : own.items ?? true;
    const first = tuple === undefined ? [] : listOf(tuple, `${path}.prefixItems`, MOST_CHOICES)
      .map((value, i) => this.read(value, `${path}.prefixItems[${i}]`, depth + 1));
    const fewest = countOf(own, "minItems", path) ?? 0, most = countOf(own, "maxItems", path);
    if (most !== undefined && most < fewest) {
      throw new SchemaError(`${path}.maxItems`, "it is less than minItems");
    }
    // The grammar writes the whole beginning.
    if (most !== undefined && most < first.length) {
      throw new SchemaError(`${path}.maxItems`, "it is less than prefixItems");
    }
    return {
      ...(first.length === 0 ? {} : { prefixItems: first }),
      items: rest === false ? false : this.read(rest, `${path}.items`, depth + 1),
      ...(fewest > 0 ? { minItems: fewest } : {}),
      ...(most === undefined ? {} : { maxItems: most }),
    };
  }
}

/** What JSON and the grammar write alike. */
function isPlain(value: unknown): boolean {
  return typeof value === "string"
    ? /^[\w .:/@+*-]*$/.test(value)
    : typeof value !== "object" || value === null;
}

/** A value's JSON, as a literal of a grammar. */
function literal(value: unknown): string {
  return `"${JSON.stringify(value).replace(/["\\]/g, "\\$&")}"`;
}
