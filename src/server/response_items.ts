/** The parts of a Responses answer. */

import type { ChoiceMessage } from "./chat_response.ts";

type Json = Record<string, unknown>;

/** Status of the answer's last item. */
export const endOf = ({ finish }: ChoiceMessage): string => finish === "length" ? "incomplete" : "completed";

export function partOf(type: "message" | "reasoning", text: string): Json {
  return type === "message"
    ? { type: "output_text", text, annotations: [], logprobs: [] }
    : { type: "reasoning_text", text };
}

export function messageItem(id: string, text: string, status: string): Json {
  return { id, type: "message", status, role: "assistant", content: [partOf("message", text)] };
}

export function reasoningItem(id: string, text: string, status: string): Json {
  return { id, type: "reasoning", status, summary: [], content: [partOf("reasoning", text)] };
}

export interface CallParts {
  id: string;
  callId: string;
  name: string;
  /** Its arguments. */
  text: string;
}

export function callItem({ id, callId, name, text }: CallParts, status: string): Json {
  return { id, type: "function_call", status, call_id: callId, name, arguments: text };
}
