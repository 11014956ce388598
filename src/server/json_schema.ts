/**
 * A client's JSON schema → one that the grammar enforces in full, or a refusal that names the place. What the grammar
 * cannot hold an answer to is never left out in silence.
 */

import { percentDecoded } from "../common/percent.ts";
import { disjoint, guessedTypes, hasType } from "./json_schema_facts.ts";
import type { JsonRule } from "../engine/grammar/spec.ts";
import { type Heavy, TypeReader, type Walk } from "./json_schema_types.ts";
import {
  CONSTRAINTS,
  type Json,
  listOf,
  MOST_CHOICES,
  NOT_ENFORCED,
  objectOf,
  SchemaError,
  TYPES,
} from "./json_schema_words.ts";
import { StandIns } from "./json_stand_ins.ts";

/** Bounds on what is looked at at all; the compiler has its own deadline. */
const MOST_NODES = 2000, MOST_DEPTH = 48, MOST_BYTES = 256 << 10;

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

/** Throws SchemaError. */
export function enforceable(schema: unknown): Enforced {
  const text = JSON.stringify(schema);
  if (text.length > MOST_BYTES) throw new SchemaError("", `it is over ${MOST_BYTES >> 10} KiB`);
  const standIns = new StandIns(text);
  const reader = new Reader(schema, standIns);
  return { schema: reader.read(schema, "", 0), rules: standIns.rules, heaviest: reader.heaviest };
}

class Reader implements Walk {
  readonly #typed: TypeReader;
  #nodes = 0;

  constructor(readonly root: unknown, private readonly standIns: StandIns) {
    this.#typed = new TypeReader(this, standIns);
  }

  get heaviest(): Heavy | null {
    return this.#typed.heaviest;
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
        out[word] = this.each(objectOf(own[word], `${path}.${word}`), `${path}.${word}`, depth);
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
    if (types.length > 1) {
      return {
        ...out,
        anyOf: types.map((type) => this.#typed.read(own, type, path, depth)),
      };
    }
    return { ...out, ...this.#typed.read(own, types[0], path, depth) };
  }

  each(values: Json, path: string, depth: number): Json {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, this.read(value, `${path}.${name}`, depth + 1)]),
    );
  }

  #reference(value: unknown, path: string): string {
    if (typeof value !== "string" || !/^#(\/|$)/.test(value)) {
      throw new SchemaError(path, "only references into the schema itself (#/…) are supported");
    }
    const steps = value.split("/").slice(1).map((step) =>
      percentDecoded(step).replaceAll("~1", "/").replaceAll("~0", "~")
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
    return { enum: fitting.map((value) => this.standIns.ofValue(value)) };
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
}
