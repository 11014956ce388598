/** What every prompt side does the same way through its tokenizer. */
import { PromptError } from "./family.ts";
import { ControlText } from "../prompt/control_text.ts";
import type { Detokenizer } from "../prompt/detokenizer.ts";
import type { Tokenizer } from "../prompt/tokenizer.ts";

export abstract class TokenPrompt {
  protected readonly control: ControlText;

  constructor(readonly tokenizer: Tokenizer) {
    this.control = new ControlText(tokenizer.specialContents);
  }

  encode(text: string): Uint32Array {
    return this.tokenizer.encode(text);
  }

  encodeLong(text: string, most: number): Promise<Uint32Array | null> {
    return this.tokenizer.encodeLong(text, null, most);
  }

  decode(ids: ArrayLike<number>, keepSpecial = false): string {
    return this.tokenizer.decode(ids, keepSpecial);
  }

  detokenizer(keepSpecial = false): Detokenizer {
    return this.tokenizer.detokenizer(keepSpecial);
  }

  tokenBytes(id: number): Uint8Array {
    return this.tokenizer.tokenBytes(id);
  }
}

export const tooLong = (maxContext: number): PromptError =>
  new PromptError(
    `The prompt is longer than this model's context of ${maxContext} tokens`,
    "context_length_exceeded",
  );
