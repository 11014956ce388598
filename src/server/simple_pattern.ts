/** Patterns that are characters in a row, one of them many times: `[a-z]{1,400}`, `id-\d{100}`. */

import type { CharacterRun } from "../engine/grammar/spec.ts";

/** Repetitions up to this number are left to the library, which counts each of them. */
const FEW = 16;

const PLAIN = String.raw`\w .:,;@!#%&\/=<>~`;
/** One character, a class of them or an escape, as `safePattern` writes them; and how often it stands there. */
const PIECE = new RegExp(
  String.raw`(\[\^?[${PLAIN}*+()-]*(?:"\\\\\\x00-\\x1f)?\]|\\[dw]|\\[^\w"\\]|[${PLAIN}-])` +
    String.raw`(\?|\*|\+|\{\d{1,6}(?:,\d{0,6})?\})?`,
  "y",
);

/**
 * The runs of a pattern that `safePattern` has passed; null: it is left to the library, as nothing in it stands more than
 * a few times, or it is not that simple. Only one run is long: two that overlap could be cut in too many ways.
 */
export function longRuns(safe: string): CharacterRun[] | null {
  const runs: CharacterRun[] = [];
  for (PIECE.lastIndex = 0; PIECE.lastIndex < safe.length;) {
    const found = PIECE.exec(safe);
    if (found === null) return null;
    const [fewest, most] = timesOf(found[2] ?? "{1}");
    if (most !== null && most < fewest) return null;
    runs.push({ unit: unitOf(found[1]), fewest, most });
  }
  const counts = runs.map(({ fewest, most }) => Math.max(fewest, most ?? 0)).sort((a, b) => b - a);
  const others = counts.slice(1).reduce((sum, count) => sum + count, 0);
  return counts.length > 0 && counts[0] > FEW && others <= FEW ? runs : null;
}

/** The bounds of a pattern's repetitions, added up: what counting them takes. */
export function repetitionsIn(pattern: string): number {
  return pattern.matchAll(/\{\d+(?:,\d*)?\}/g).reduce((sum, [text]) => {
    const [fewest, most] = timesOf(text);
    return sum + Math.max(fewest, most ?? 0);
  }, 0);
}

function timesOf(quantifier: string): [fewest: number, most: number | null] {
  switch (quantifier) {
    case "?":
      return [0, 1];
    case "*":
      return [0, null];
    case "+":
      return [1, null];
  }
  const [fewest, most = fewest] = quantifier.slice(1, -1).split(",");
  return [Number(fewest), most === "" ? null : Number(most)];
}

/** In EBNF. */
function unitOf(piece: string): string {
  if (piece === "\\d") return "[0-9]";
  if (piece === "\\w") return "[A-Za-z0-9_]";
  return piece[0] === "[" ? piece : `"${piece.at(-1)}"`;
}
