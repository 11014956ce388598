/** Random answers that a grammar allows, held to the schema by ajv: does the grammar enforce what the schema says? */

import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Grammars } from "../../src/engine/grammar/grammars.ts";
import { type GrammarSpec, printable } from "../../src/engine/grammar/spec.ts";
import { enforceable } from "../../src/server/json_schema.ts";
import { SchemaError } from "../../src/server/json_schema_words.ts";

const STOP = 256;

/** One id a byte. */
export const BYTES = {
  tokens: [...Array.from({ length: 256 }, (_, byte) => printable(Uint8Array.of(byte))), ""],
  size: 257,
  stopIds: [STOP],
};

export type Walk =
  | { outcome: "refused"; path: string; message: string }
  | { outcome: "valid" | "unfinished"; text: string }
  | { outcome: "invalid"; text: string; problem: string };

export function jsonSpec(schema: unknown): GrammarSpec {
  return {
    thought: null,
    answer: null,
    content: { type: "json", ...enforceable(schema) },
    tools: [],
    calls: "one",
  };
}

/** Walks at random through the answers of a schema, `times` times. */
export async function walkSchema(
  grammars: Grammars,
  schema: unknown,
  times: number,
  random: () => number,
): Promise<Walk[]> {
  let spec: GrammarSpec;
  try {
    spec = jsonSpec(schema);
    await grammars.compile(spec);
  } catch (error) {
    const path = error instanceof SchemaError ? error.path : "";
    return [{ outcome: "refused", path, message: (error as Error).message }];
  }
  const validate = validatorOf(schema);
  const walks: Walk[] = [];
  for (let i = 0; i < times; i++) {
    const text = await randomAnswer(grammars, spec, random);
    if (text.cut) {
      walks.push({ outcome: "unfinished", text: text.said });
      continue;
    }
    try {
      const valid = validate(JSON.parse(text.said));
      walks.push(
        valid ? { outcome: "valid", text: text.said } : {
          outcome: "invalid",
          text: text.said,
          problem: JSON.stringify(validate.errors),
        },
      );
    } catch (error) {
      walks.push({ outcome: "invalid", text: text.said, problem: (error as Error).message });
    }
  }
  return walks;
}

/** By the draft of 2020, or where it does not know the schema (lists of `items`) by draft 7. */
function validatorOf(schema: unknown) {
  const options = { strict: false, validateFormats: false, logger: false } as const;
  try {
    return new Ajv2020(options).compile(schema as object);
  } catch {
    return new Ajv(options).compile(schema as object);
  }
}

/** Text of ids drawn evenly among those allowed, what ends things oftener the longer it gets. */
export async function randomAnswer(
  grammars: Grammars,
  spec: GrammarSpec,
  random: () => number,
  most = 600,
): Promise<{ said: string; cut: boolean }> {
  let tell: (mask: Uint32Array | null) => void = () => {};
  const next = () => new Promise<Uint32Array | null>((resolve) => tell = resolve);
  let coming = next();
  const matcher = grammars.open(spec, (mask) => tell(mask));
  const bytes: number[] = [];
  try {
    for (;;) {
      const mask = await coming;
      if (mask === null) throw new Error("The grammar cannot go on");
      const id = draw(mask, random, bytes);
      if (id === STOP) {
        return { said: new TextDecoder().decode(Uint8Array.from(bytes)), cut: false };
      }
      bytes.push(id);
      if (bytes.length >= most) return { said: new TextDecoder().decode(Uint8Array.from(bytes)), cut: true };
      coming = next();
      matcher.accept(id);
    }
  } finally {
    matcher.close();
  }
}

/** Models write UTF-8; the grammar library lets bytes through that are none. */
function draw(mask: Uint32Array, random: () => number, bytes: readonly number[]): number {
  const allowed: number[] = [];
  for (let id = 0; id <= STOP; id++) {
    if (mask[id >>> 5] >>> (id & 31) & 1 && continues(bytes, id)) allowed.push(id);
  }
  if (allowed.length === 0) throw new Error("The mask allows nothing");
  if (random() < 0.15 + bytes.length / 300) {
    const ending = [STOP, ...new TextEncoder().encode('"}],')].filter((id) => allowed.includes(id));
    if (ending.length > 0) return ending[Math.floor(random() * ending.length)];
  }
  return allowed[Math.floor(random() * allowed.length)];
}

/** The bytes with one more still begin well-formed UTF-8. */
function continues(bytes: readonly number[], next: number): boolean {
  let at = bytes.length - 1, after = 0;
  while (at >= 0 && after < 3 && bytes[at] >= 0x80 && bytes[at] < 0xc0) at--, after++;
  const lead = at >= 0 ? bytes[at] : 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (after + 1 >= length) return next < 0x80 || (next >= 0xc2 && next <= 0xf4) || next === STOP;
  if (next < 0x80 || next > 0xbf) return false;
  if (after > 0) return true;
  const [low, high] =
    { 0xe0: [0xa0, 0xbf], 0xed: [0x80, 0x9f], 0xf0: [0x90, 0xbf], 0xf4: [0x80, 0x8f] }[lead] ??
      [0x80, 0xbf];
  return next >= low && next <= high;
}
