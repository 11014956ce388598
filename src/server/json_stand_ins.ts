/** Constants of a schema that stand for expressions of the grammar. */

import type { JsonRule } from "../engine/grammar/spec.ts";
import type { Json } from "./json_schema_words.ts";

type Expression = JsonRule["rules"][string];

export class StandIns {
  /** What stands in the schema as a constant string → the expression in EBNF that is meant. */
  readonly rules: JsonRule["rules"] = {};
  readonly #mark: string;

  /** @param text the schema's JSON: no stand-in is in it already */
  constructor(text: string) {
    let mark = 0;
    while (text.includes(`valley${mark}-`)) mark++;
    this.#mark = `valley${mark}-`;
  }

  /** A constant that stands for an expression. */
  meaning(expression: Expression): Json {
    return { const: this.#standIn(expression) };
  }

  /** The value, or its stand-in where it has characters that are escaped in JSON or in a grammar. */
  ofValue<T>(value: T): T | string {
    return isPlain(value) ? value : this.#standIn(literal(value));
  }

  /** The same for the same. */
  #standIn(expression: Expression): string {
    const text = JSON.stringify(expression);
    const known = Object.entries(this.rules).find(([, rule]) => JSON.stringify(rule) === text);
    if (known !== undefined) return known[0];
    const name = `${this.#mark}${Object.keys(this.rules).length}-`;
    this.rules[name] = expression;
    return name;
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
