/** What the grammar enforces of a schema of one type. */

import { numberInRange } from "./json_rules.ts";
import { safePattern } from "./json_pattern.ts";
import {
  bounds,
  countOf,
  FORMATS,
  type Json,
  listOf,
  MOST_CHOICES,
  objectOf,
  SchemaError,
} from "./json_schema_words.ts";
import type { StandIns } from "./json_stand_ins.ts";
import { longRuns, repetitionsIn } from "./simple_pattern.ts";

/** The way into the schemas inside. */
export interface Walk {
  read(schema: unknown, path: string, depth: number): unknown;
  each(schemas: Json, path: string, depth: number): Json;
}

/** A pattern and its repetitions. */
export interface Heavy {
  path: string;
  repetitions: number;
}

/** All throw SchemaError. */
export class TypeReader {
  /** The pattern with most repetitions so far. */
  heaviest: Heavy | null = null;
  readonly #walk: Walk;
  readonly #standIns: StandIns;

  constructor(walk: Walk, standIns: StandIns) {
    this.#walk = walk;
    this.#standIns = standIns;
  }

  read(own: Json, type: string, path: string, depth: number): Json {
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
      ? this.#walk.each(objectOf(own.properties, `${path}.properties`), `${path}.properties`, depth)
      : {};
    const required = "required" in own ? listOf(own.required, `${path}.required`, MOST_CHOICES, 0) : [];
    const rest = own.additionalProperties ?? (Object.keys(named).length === 0 ? true : undefined);
    const unnamed = required.flatMap((name): [string, unknown][] => {
      if (typeof name !== "string") throw new SchemaError(`${path}.required`, "names are strings");
      if (Object.hasOwn(named, name)) return [];
      if (rest === false) throw new SchemaError(`${path}.required`, `${name} may not be there`);
      const schema = rest === undefined
        ? true
        : this.#walk.read(rest, `${path}.additionalProperties`, depth + 1);
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
      : this.#walk.read(rest, `${path}.additionalProperties`, depth + 1);
    return {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, value]) => [this.#standIns.ofValue(name), value]),
      ),
      required: required.map((name) => this.#standIns.ofValue(name as string)),
      additionalProperties: others,
    };
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
      return this.#standIns.meaning({ fewest: fewest ?? 0, most: most ?? null });
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
    if (runs !== null) return this.#standIns.meaning({ runs });
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
    return this.#standIns.meaning(expression);
  }

  #array(own: Json, path: string, depth: number): Json {
    if ("uniqueItems" in own && own.uniqueItems !== false) {
      throw new SchemaError(`${path}.uniqueItems`, "uniqueItems is not supported");
    }
    // Before 2020 a list of `items` was what `prefixItems` is now.
    const tuple = Array.isArray(own.items) ? own.items : own.prefixItems;
    const rest = Array.isArray(own.items) ? own.additionalItems ?? true : own.items ?? true;
    const first = tuple === undefined ? [] : listOf(tuple, `${path}.prefixItems`, MOST_CHOICES)
      .map((value, i) => this.#walk.read(value, `${path}.prefixItems[${i}]`, depth + 1));
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
      items: rest === false ? false : this.#walk.read(rest, `${path}.items`, depth + 1),
      ...(fewest > 0 ? { minItems: fewest } : {}),
      ...(most === undefined ? {} : { maxItems: most }),
    };
  }
}
