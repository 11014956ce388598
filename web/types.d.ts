/** What the modules of the page share. */

export type Kind = "image" | "audio" | "video";

export interface Medium {
  kind: Kind;
  name: string;
  blob: Blob;
}

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details?: {
    cached_tokens?: number;
    image_tokens?: number;
    video_tokens?: number;
    audio_tokens?: number;
  };
  completion_tokens_details?: { reasoning_tokens?: number };
}

/** What an answer took; times in milliseconds as the page saw them. */
export interface Stats {
  firstMs: number | null;
  decodeMs: number;
  usage: Usage | null;
}

export interface Message {
  role: "user" | "assistant" | "tool";
  text: string;
  media: Medium[];
  reasoning: string;
  calls: ToolCall[];
  /** Of a tool's result. */
  callId: string | null;
  stats: Stats | null;
  /** Why the answer failed. */
  error: string | null;
  /** Ended by the user, or cut at the limit of tokens. */
  end: "stopped" | "length" | null;
}

export interface Conversation {
  id: string;
  title: string;
  updated: number;
  messages: Message[];
}

export interface Model {
  id: string;
  modalities: string[];
  reasoning: "none" | "optional" | "prompted";
  max_model_len: number | null;
}

export interface Settings {
  system: string;
  /** JSON text. */
  tools: string;
  effort: string;
}

/** News of an answer under way. */
export type News =
  | { type: "upload"; sent: number; total: number }
  | { type: "waiting" }
  | { type: "content" | "reasoning"; text: string }
  | { type: "call"; index: number; id: string | null; name: string; arguments: string }
  | { type: "finish"; reason: string }
  | { type: "usage"; usage: Usage };
