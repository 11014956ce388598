/** One question over HTTP, and whether its answer is right. */

export interface Question {
  id: string;
  task: string;
  messages: { role: string; content: unknown }[];
  tools?: unknown[];
  reasoning_effort?: string;
  mm_processor_kwargs?: Record<string, unknown>;
  expected: string | string[];
  expected_tool_calls?: { name: string; arguments: Record<string, unknown> }[];
}

export interface Answered {
  question: Question;
  answer: string;
  reasoning: string | null;
  toolCalls: { name: string; arguments: string }[];
  right: boolean;
}

const TYPES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  wav: "audio/wav",
  mp4: "video/mp4",
};

/** `file:media/x.png` → a data: URL, anywhere in the content. */
async function inline(value: unknown, folder: string): Promise<unknown> {
  if (Array.isArray(value)) return await Promise.all(value.map((v) => inline(v, folder)));
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(async ([k, v]) => [k, await inline(v, folder)]);
    return Object.fromEntries(await Promise.all(entries));
  }
  if (typeof value !== "string" || !value.startsWith("file:")) return value;
  const path = value.slice("file:".length);
  const bytes = await Deno.readFile(`${folder}/${path}`);
  return `data:${TYPES[path.split(".").at(-1)!]};base64,${bytes.toBase64()}`;
}

/** @throws Error on anything but a 200: an evaluation with failed requests says nothing. */
export async function ask(question: Question, folder: string, url: string): Promise<Answered> {
  const { messages, tools, reasoning_effort, mm_processor_kwargs } = question;
  const body = {
    messages: await inline(messages, folder),
    tools,
    reasoning_effort,
    mm_processor_kwargs,
    temperature: 0,
    max_tokens: 400,
  };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`Cannot evaluate ${question.id}: ${response.status} ${text.slice(0, 300)}`);
  }
  const { message } = JSON.parse(text).choices[0];
  const toolCalls = (message.tool_calls ?? []).map((c: { function: { name: string; arguments: string } }) =>
    c.function
  );
  const answered = {
    question,
    answer: message.content ?? "",
    reasoning: message.reasoning_content ?? null,
    toolCalls,
    right: false,
  };
  return { ...answered, right: isRight(answered) };
}

/** The whole answer, exactly; with an effort the form of the thought too; tool calls by name and arguments. */
export function isRight({ question, answer, reasoning, toolCalls }: Omit<Answered, "right">): boolean {
  const calls = question.expected_tool_calls;
  if (calls) {
    return toolCalls.length === calls.length &&
      calls.every((c, i) => c.name === toolCalls[i].name && sameJson(toolCalls[i].arguments, c.arguments));
  }
  if (toolCalls.length > 0) return false;
  if (question.reasoning_effort === "minimal" && (reasoning ?? "").trim() !== "") return false;
  if (["medium", "high"].includes(question.reasoning_effort ?? "") && !reasoning?.trim()) return false;
  const accepted = Array.isArray(question.expected) ? question.expected : [question.expected];
  return accepted.includes(answer);
}

function sameJson(text: string, want: Record<string, unknown>): boolean {
  try {
    return stable(JSON.parse(text)) === stable(want);
  } catch {
    return false;
  }
}

function stable(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stable)}]`;
  return `{${Object.entries(value).sort().map(([k, v]) => `${JSON.stringify(k)}:${stable(v)}`)}}`;
}
