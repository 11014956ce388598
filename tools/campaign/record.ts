/** One row of bench/RELIABILITY.md a campaign: the last figures stand there. */

import type { Campaign, Outcome } from "./campaign.ts";

/** Puts the campaign's row in place of the one before, or at the end of the table. */
export function record(
  path: string,
  name: string,
  { id, target }: Campaign,
  outcome: Outcome,
  seconds: number,
): void {
  const text = Deno.readTextFileSync(path);
  const cells = [
    `\`${name}\``,
    id,
    target,
    `${outcome.did} (${seconds} s)`,
    `${
      outcome.missed.length === 0 ? "**met**" : `**missed**: ${outcome.missed.slice(0, 3).join("; ")}`
    }. ${outcome.figures}`,
    new Date().toISOString().slice(0, 10),
  ];
  const row = `| ${
    cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ").slice(0, 700)).join(" | ")
  } |`;
  const lines = text.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`| \`${name}\``));
  if (at >= 0) lines[at] = row;
  else lines.splice(lines.findLastIndex((line) => line.startsWith("|")) + 1, 0, row);
  Deno.writeTextFileSync(path, lines.join("\n"));
}
