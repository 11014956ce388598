/**
 * What the fake model answers: a function of the conversation's last turn. Requests for tests:
 * `say N words` · `echo: TEXT` · `forever` · `think` · `call NAME {json}` · `json` · `unicode` · `slow …` (a step
 * takes 40 ms) · anything with media: what it saw · else the text itself.
 */

import { CONTROL, decodeIds, encodeText } from "./vocabulary.ts";

export interface Reply {
  ids: Uint32Array;
  /** It never ends: the ids repeat. */
  endless: boolean;
  slow: boolean;
}

/** `prompt`: all ids up to the opened assistant turn. */
export function replyTo(prompt: readonly number[]): Reply {
  const turn = lastTurn(prompt);
  const said = decodeIds(turn).trim();
  const system = decodeIds(prompt.slice(0, 4096)).match(/^system\nEffort: (\w+)/);
  const slow = /\bslow\b/.test(said);
  if (/\bforever\b/.test(said)) return { ids: encodeText("la "), endless: true, slow };
  let text = answer(said, turn);
  if (system !== null || /\bthink\b/.test(said)) {
    const thought = system?.[1] === "minimal" ? "" : "The user wrote something. I answer it.\n";
    text = `<thinking>\n${thought}</thinking>\n\n${text}`;
  }
  return { ids: encodeText(text), endless: false, slow };
}

function answer(said: string, turn: readonly number[]): string {
  const words = said.match(/say (\d+) words/);
  if (words !== null) return Array.from({ length: Number(words[1]) }, (_, i) => `word${i + 1}`).join(" ");
  const echo = said.match(/echo: ?([\s\S]*)/);
  if (echo !== null) return echo[1];
  const response = said.match(/<tool_response>\n([\s\S]*)\n<\/tool_response>/);
  if (response !== null) return `The tool said: ${response[1]}`;
  const calls = [...said.matchAll(/call (\w+) ?(\{.*?\})?(?= and |\.|$)/g)];
  if (calls.length > 0) {
    return calls.map(([, name, given]) =>
      `<tool_call>\n{"name": "${name}", "arguments": ${given ?? "{}"}}\n</tool_call>`
    )
      .join("\n");
  }
  if (/\bjson\b/i.test(said)) return '{"ok": true, "items": [1, 2, 3]}';
  if (/\bunicode\b/i.test(said)) return "Grüße, 世界! 👩‍👩‍👧‍👦 naïve — Ελλάδα.";
  const seen = [["image", CONTROL.image], ["video", CONTROL.video], ["audio", CONTROL.audio]] as const;
  const counts = seen.map(([kind, id]) => [kind, turn.filter((other) => other === id).length] as const)
    .filter(([, count]) => count > 0);
  if (counts.length > 0) {
    return `I got ${counts.map(([kind, count]) => `${count} ${kind} tokens`).join(" and ")}.`;
  }
  return `You said: ${said}`;
}

/** Ids of the last user turn, markers left out. */
function lastTurn(prompt: readonly number[]): number[] {
  const marker = [CONTROL.imStart, ...encodeText("user\n")];
  for (let at = prompt.length - marker.length; at >= 0; at--) {
    if (!marker.every((id, i) => prompt[at + i] === id)) continue;
    const end = prompt.indexOf(CONTROL.imEnd, at);
    return prompt.slice(at + marker.length, end < 0 ? prompt.length : end);
  }
  return [...prompt];
}
