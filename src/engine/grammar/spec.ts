/** What an answer must look like, as the server tells the engine. Plain data; its JSON is the key of the cache. */

/** JSON that a schema accepts. */
export interface JsonRule {
  type: "json";
  schema: unknown;
  /** Constant strings of the schema → the expressions in EBNF, or strings of a length or of runs, that they stand for. */
  rules: Record<string, string | StringLength | StringRuns>;
}

/** A string of so many characters (code points). */
export interface StringLength {
  fewest: number;
  /** null: any number. */
  most: number | null;
}

/** A character (in EBNF: a class or a literal) so many times. */
export interface CharacterRun {
  unit: string;
  fewest: number;
  /** null: any number. */
  most: number | null;
}

/** A string of such runs. */
export interface StringRuns {
  runs: CharacterRun[];
}

/** One form of answer. */
export type Rule =
  | JsonRule
  /** Text that a whole expression matches. */
  | { type: "regex"; pattern: string }
  | { type: "choice"; choices: string[] }
  /** A grammar in EBNF whose first rule is `root`. */
  | { type: "ebnf"; grammar: string };

export interface ToolRule {
  name: string;
  arguments: JsonRule;
}

export interface GrammarSpec {
  /** Tags of a thought that comes first; null: no thought. */
  thought: readonly [string, string] | null;
  /** Tags around the answer after a thought; null: none. */
  answer: readonly [string, string] | null;
  /** Content; null: only tool calls. */
  content: Rule | null;
  /** Tool calls in place of content; [] none. */
  tools: ToolRule[];
  /** Calls that an answer may have. */
  calls: "one" | "several";
}

/** A grammar that cannot be had; the message is for the client. */
export class GrammarError extends Error {
  constructor(message: string, readonly code: "invalid_grammar" | "grammar_too_complex") {
    super(message);
    this.name = "GrammarError";
  }
}

/** The tokenizer as grammars see it. */
export interface Vocabulary {
  /** Bytes of each id in GPT-2's printable form (`printable`); "" for ids that no text has. */
  tokens: string[];
  /** Ids of the logits, at least as many as tokens. */
  size: number;
  /** Ids that end an answer. */
  stopIds: number[];
}

const PRINTABLE = printableBytes();

/** A byte string as GPT-2's byte-level vocabulary writes it: one printable character a byte. */
export function printable(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += PRINTABLE[byte];
  return text;
}

function printableBytes(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(itself ? byte : next++);
  });
}
