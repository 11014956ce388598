/** Log-probabilities in the words of the chat API and of the completions API. */

import type { TokenScore } from "./generation.ts";

/** UTF-8 bytes of an id. */
type BytesOf = (id: number) => Uint8Array;

/** Scores → the `logprobs` field of a choice. */
export type ScoreWording = (scores: readonly TokenScore[]) => unknown;

/** Where they were not asked for. */
export const NO_SCORES: ScoreWording = () => null;

export function chatScores(bytesOf: BytesOf): ScoreWording {
  const token = (id: number, logprob: number) => {
    const bytes = bytesOf(id);
    return { token: textOf(bytes), logprob: finite(logprob), bytes: Array.from(bytes) };
  };
  return (scores) => ({
    content: scores.map(({ id, logprob, top }) => ({
      ...token(id, logprob),
      top_logprobs: top.map((other) => token(other.id, other.logprob)),
    })),
    refusal: null,
  });
}

/** `offset` goes on from call to call: one function a choice. */
export function completionScores(bytesOf: BytesOf): ScoreWording {
  let offset = 0;
  return (scores) => {
    const tokens = scores.map(({ id }) => textOf(bytesOf(id)));
    return {
      tokens,
      token_logprobs: scores.map(({ logprob }) => finite(logprob)),
      top_logprobs: scores.map(({ top }) =>
        Object.fromEntries(top.map(({ id, logprob }) => [textOf(bytesOf(id)), finite(logprob)]))
      ),
      text_offset: tokens.map((text) => (offset += text.length) - text.length),
    };
  };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** JSON has no −∞; OpenAI writes −9999. */
function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : -9999;
}
