/** A grammar spec → xgrammar's structural tag: thought, then content or tool calls. */

import type { GrammarSpec, JsonRule, Rule } from "./spec.ts";
import { StringLengths } from "./string_length.ts";
import type { XGrammar } from "./xgrammar.ts";

/** White space between two parts of JSON: more would let a model write it until its tokens run out. */
const MOST_SPACES = 2;

type Format = Record<string, unknown>;

/** What words a schema: the library, and how many ids its compiler has to go through. */
export interface GrammarMaker {
  xgrammar: XGrammar;
  vocabulary: number;
}

/** Rejects with what xgrammar says of a schema. */
export async function structuralTag(spec: GrammarSpec, maker: GrammarMaker): Promise<Format> {
  const forms: Format[] = [];
  if (spec.content !== null) forms.push(await formatOf(spec.content, maker));
  if (spec.tools.length > 0) forms.push(await callsOf(spec, maker));
  const body = forms.length === 1 ? forms[0] : { type: "or", elements: forms };
  const { thought, answer } = spec;
  const format = thought === null ? body : {
    type: "sequence",
    elements: [
      { type: "tag", begin: thought[0], content: { type: "any_text" }, end: thought[1] },
      SPACES,
      answer === null ? body : tagged(answer, body),
    ],
  };
  return { type: "structural_tag", format };
}

/** Calls that an answer may have where content may stand in their place. */
const MOST_BESIDE = 4;
const NOTHING: Format = { type: "grammar", grammar: 'root ::= ""\n' };
const SPACES: Format = { type: "grammar", grammar: `root ::= [ \\n]{0,${MOST_SPACES}}\n` };

function tagged([begin, end]: readonly [string, string], content: Format): Format {
  return { type: "sequence", elements: [literal(begin), content, literal(end)] };
}

const literal = (value: string): Format => ({ type: "const_string", value });

async function formatOf(rule: Rule, maker: GrammarMaker): Promise<Format> {
  switch (rule.type) {
    case "json":
      return { type: "grammar", grammar: await jsonGrammar(rule, maker) };
    case "regex":
      return { type: "regex", pattern: rule.pattern };
    case "choice":
      return { type: "or", elements: rule.choices.map(literal) };
    case "ebnf":
      return { type: "grammar", grammar: rule.grammar };
  }
}

/** `<tool_call>\n{"name": …, "arguments": …}\n</tool_call>`, as the chat template writes calls. */
async function callsOf({ tools, calls, content }: GrammarSpec, maker: GrammarMaker): Promise<Format> {
  const forms: Format[] = [];
  for (const { name, arguments: rule } of tools) {
    const given = { type: "grammar", grammar: await jsonGrammar(rule, maker) };
    const begin = `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": `;
    forms.push({ type: "tag", begin, content: given, end: "}\n</tool_call>" });
  }
  const one = forms.length === 1 ? forms[0] : { type: "or", elements: forms };
  if (calls === "one") return one;
  if (content === null) {
    return { type: "tags_with_separator", tags: forms, separator: "\n", at_least_one: true };
  }
  // Beside content the library takes no open number of calls.
  let several: Format = one;
  for (let call = 1; call < MOST_BESIDE; call++) {
    const more = { type: "sequence", elements: [literal("\n"), several] };
    several = { type: "sequence", elements: [one, { type: "or", elements: [NOTHING, more] }] };
  }
  return several;
}

/** The schema's grammar as text: its unbounded white space bounded, stand-ins replaced by what they stand for. */
async function jsonGrammar({ schema, rules }: JsonRule, maker: GrammarMaker): Promise<string> {
  const { xgrammar: { Grammar }, vocabulary } = maker;
  const text = JSON.stringify(schema);
  const grammar = await Grammar.fromJSONSchema(text, true, undefined, undefined, true, MOST_SPACES);
  try {
    // It writes "ße" as \xdfe, and would read that as one character.
    let out = grammar.toString().replaceAll(
      /\\(\\|x([0-9a-f]{2}))/gi,
      (found, _, hex) => hex ? `\\u00${hex}` : found,
    )
      .replaceAll("[ \\n\\t]*", `[ \\n\\t]{0,${MOST_SPACES}}`);
    const bounded = Object.values(rules).filter((rule) => typeof rule !== "string");
    const lengths = new StringLengths(bounded, vocabulary);
    for (const [name, rule] of Object.entries(rules)) {
      const expression = typeof rule === "string" ? rule : lengths.expression(rule);
      out = out.replaceAll(`\\"${name}\\"`, () => `" ${expression} "`);
    }
    return [out, ...lengths.rules.entries().map(([name, body]) => `${name} ::= ${body}\n`)].join("");
  } finally {
    grammar.dispose();
  }
}
