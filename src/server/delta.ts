/** What an answer goes on with. */
export type Delta =
  | { type: "reasoning"; text: string }
  | { type: "content"; text: string }
  /** A tool call begins; then its arguments, which together are their JSON text; then its end, unless it is cut. */
  | { type: "call"; name: string }
  | { type: "arguments"; text: string }
  | { type: "call_end" };
