/** The three prompt forms of Valley (2023) as text (VALLEY1.md "Prompts"); `<video>` or `<image>` stands for the clip. */

export interface Turn {
  role: "system" | "user" | "assistant";
  text: string;
}

export type Form = "completion" | "conversation" | "training";
/** Conversation templates of the official code. */
export type Style = "multimodal_video" | "v1";

export const PLACEHOLDER = /<video>|<image>/g;

const SYSTEM: Record<Style, string> = {
  // CRITICAL: no space between the sentences.
  multimodal_video:
    "You are Valley, a large language and vision assistant trained by ByteDance.You are able to " +
    "understand the visual content or video that the user provides, and assist the user with a variety of tasks using " +
    "natural language.Follow the instructions carefully and explain your answers in detail.",
  v1:
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, " +
    "detailed, and polite answers to the human's questions.",
};

const GREETING: Turn[] = [
  { role: "user", text: "Hi!" },
  { role: "assistant", text: "Hi there!  How can I help you today?\n" },
];

/**
 * Form 1, of `run_valley.py`. The model writes "Assistant:" itself.
 * CRITICAL: a user turn without a placeholder is left out; a service takes form 2 for such a conversation.
 */
export function completion(turns: readonly Turn[], hasPlaceholder: (text: string) => boolean): string {
  return turns.map(({ role, text }) => {
    if (role === "system") return `${text}\n\n###`;
    if (role === "assistant") return ` Assistent: ${text} \n###`; // spelled so
    return hasPlaceholder(text) ? ` Human: ${text} \n###` : "";
  }).join("");
}

/** Form 2, of the web demo. `ask`: the assistant's turn is opened. */
export function conversation(turns: readonly Turn[], style: Style, ask: boolean): string {
  const { system, rest } = split(turns, style);
  const all = style === "multimodal_video" ? [...GREETING, ...rest] : rest;
  return `${system}###${all.map(({ role, text }) => `${NAMES[role]}: ${text}###`).join("")}${
    ask ? "Assistant:" : ""
  }`;
}

/** Form 3, of the training code. */
export function training(turns: readonly Turn[], style: Style): string {
  const { system, rest } = split(turns, style);
  return `${system}\n\n${rest.map(({ role, text }) => `### ${NAMES[role]}: ${text}\n`).join("")}### `;
}

const NAMES: Record<Turn["role"], string> = { system: "System", user: "Human", assistant: "Assistant" };

function split(turns: readonly Turn[], style: Style): { system: string; rest: readonly Turn[] } {
  const given = turns[0]?.role === "system";
  return { system: given ? turns[0].text : SYSTEM[style], rest: given ? turns.slice(1) : turns };
}

/** What a placeholder becomes. CRITICAL: no spaces in it. */
export const markersOf = (patches: number, frames: number): string =>
  `<im_start>${"<im_patch>".repeat(patches)}<im_end><vi_start>${"<vi_frame>".repeat(frames)}<vi_end>`;

/** Labels that the model writes before its answer, and where the answer ends: the official clean-up. */
export const EDGES = { labels: ["###", "Assistant:", "Response:", "Valley:"], end: "###" } as const;
