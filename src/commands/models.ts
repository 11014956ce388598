/** `models`: which models are published, and which are on this machine. */
import { KNOWN_MODELS } from "../weights/known_models.ts";
import { bytesText } from "../weights/progress.ts";
import { parseCommand, type Terminal } from "./command.ts";
import { modelsRoot, storedModels } from "./models_folder.ts";
import type { Env } from "./options.ts";

export const MODELS_USAGE = `valley models [--json]

Lists the published models of the family and those on this machine, pulled ("published") or converted ("int4").

Examples:
  valley models
  valley models --json`;

const FLAGS = { json: { type: "boolean" }, help: { type: "boolean" } } as const;

/** @returns exit code. Throws UsageError. */
export function modelsCommand(args: string[], env: Env, terminal: Terminal): number {
  const parsed = parseCommand(args, { flags: FLAGS, words: 0, usage: MODELS_USAGE }, terminal);
  if (parsed === null) return 0;
  const root = modelsRoot(env);
  const stored = storedModels(root);
  if (parsed.values.json) {
    terminal.write(`${JSON.stringify({ folder: root, known: KNOWN_MODELS, stored }, null, 1)}\n`);
    return 0;
  }
  terminal.write("Published (valley serve --model NAME):\n");
  for (const { id, family, reasoning } of KNOWN_MODELS) {
    terminal.write(`  ${id.padEnd(42)} ${family}${reasoning === "none" ? "" : `, thinking ${reasoning}`}\n`);
  }
  terminal.write(`\nIn ${root}:${stored.length === 0 ? " none" : ""}\n`);
  for (const { id, commit, kind, bytes, whole } of stored) {
    const state = whole ? "" : ", not finished";
    terminal.write(`  ${id.padEnd(42)} ${commit.slice(0, 12)} ${kind}, ${bytesText(bytes)}${state}\n`);
  }
  return 0;
}
