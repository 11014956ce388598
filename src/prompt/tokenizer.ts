/**
 * A checkpoint's tokenizer: tokenizer.json through @huggingface/tokenizers (normaliser, pre-tokenizer, BPE),
 * with the added tokens handled here, so that control tokens can be kept out of message content.
 *
 * Ids are the official tokenizer's for the whole text. `blocked` offsets (control_text.ts) mark text that only
 * spells a control token: it is encoded as ordinary text, without cutting the stretch it stands in, so all
 * other ids stay what they are.
 */

import { Tokenizer as BaseTokenizer } from "@huggingface/tokenizers";
import { type AddedToken, AddedTokenSplitter, parseAddedToken } from "./added_tokens.ts";
import { cutText, isQwenPreTokenizer } from "./cut_text.ts";
import { mergeRun } from "./bpe_run.ts";
import { byteLevelBytes, Detokenizer, isSentencePiece, pieceBytes } from "./detokenizer.ts";

/** A control token that a checkpoint's config names but its tokenizer.json may lack. */
export interface ExtraToken {
  id: number;
  content: string;
}

// deno-lint-ignore no-explicit-any
type Json = any;

export class Tokenizer {
  /** Tokens by content, those added last winning. */
  readonly added: ReadonlyMap<string, AddedToken>;
  /** Ids of control tokens. */
  readonly specialIds: ReadonlySet<number>;
  /** Contents of control tokens: what message content must never become. */
  readonly specialContents: readonly string[];

  readonly #base: BaseTokenizer;
  readonly #byId = new Map<number, AddedToken>();
  readonly #splitter: AddedTokenSplitter;
  readonly #bytes = new Map<number, Uint8Array>();
  /** LLaMA's sentencepiece: `▁` for a space, bytes as `<0x0A>`; the first piece's space is not text. */
  readonly #pieces: boolean;
  /** The pre-tokenizer is Qwen's, so `cutText` cuts where it cuts anyway. */
  readonly #cuttable: boolean;

  /**
   * `json`: a parsed tokenizer.json. `extra`: control tokens to add where the file lacks them.
   * Throws an Error where the file is not understood, or gives one of `extra` another id.
   */
  constructor(json: Json, extra: readonly ExtraToken[] = []) {
    const decoder = json?.decoder?.type;
    this.#pieces = isSentencePiece(json);
    if (decoder !== "ByteLevel" && !this.#pieces) {
      throw new Error(`Cannot read tokenizer.json: decoder ${decoder} is not known`);
    }
    const tokens = ((json.added_tokens ?? []) as Record<string, unknown>[]).map(parseAddedToken);
    for (const { id, content } of extra) addExtra(tokens, id, content);
    // Tokens that match after normalisation stay with the library; a control token never does.
    const inner = tokens.filter((token) => token.normalized && !token.special);
    const isInner = new Set(inner.map((token) => token.content));
    this.#base = new BaseTokenizer(
      { ...json, added_tokens: json.added_tokens?.filter((token: Json) => isInner.has(token.content)) ?? [] },
      { clean_up_tokenization_spaces: false },
    );
    this.#splitter = new AddedTokenSplitter(tokens.filter((token) => !isInner.has(token.content)));
    this.#cuttable = isInner.size === 0 && isQwenPreTokenizer(json);
    this.added = new Map(tokens.map((token) => [token.content, token]));
    for (const token of tokens) this.#byId.set(token.id, token);
    const special = tokens.filter((token) => token.special);
    this.specialIds = new Set(special.map((token) => token.id));
    this.specialContents = special.map((token) => token.content);
  }

  /** Text → ids. `blocked`: offsets at which the text only spells a control token; null: none. */
  encode(text: string, blocked: ReadonlySet<number> | null = null): Uint32Array {
    const ids: number[] = [];
    for (const piece of this.#splitter.split(text, blocked)) {
      if (piece.token !== null) {
        ids.push(piece.token.id);
        continue;
      }
      for (const id of this.#encodePart(piece.text)) ids.push(id);
    }
    return Uint32Array.from(ids);
  }

  /**
   * As `encode`, giving way to other work every few milliseconds. Ends with null as soon as the text has more than
   * `maxTokens` ids.
   */
  async encodeLong(
    text: string,
    blocked: ReadonlySet<number> | null,
    maxTokens: number,
  ): Promise<Uint32Array | null> {
    const ids: number[] = [];
    let since = performance.now();
    const pause = async (): Promise<void> => {
      if (performance.now() - since < SLICE_MS) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
      since = performance.now();
    };
    for (const piece of this.#splitter.split(text, blocked)) {
      if (piece.token !== null) ids.push(piece.token.id);
      for (const part of this.#cuttable ? cutText(piece.text, LONG_PIECE) : [piece.text]) {
        if (part.length === 0) continue;
        const run = this.#cuttable && part.length > LONG_RUN;
        for (const id of run ? await this.#encodeRun(part, pause) : this.#encodePart(part)) ids.push(id);
        if (ids.length > maxTokens) return null;
        await pause();
      }
      if (ids.length > maxTokens) return null;
    }
    return Uint32Array.from(ids);
  }

  /** Text without added tokens → ids. */
  #encodePart(text: string): number[] {
    return this.#base.encode(text, { add_special_tokens: false }).ids;
  }

  /** The same for text with a stretch that the pre-tokenizer leaves long. */
  async #encodeRun(text: string, pause: () => Promise<void>): Promise<number[]> {
    const base = this.#base as unknown as BaseParts;
    const normal = base.normalizer === null ? text : base.normalizer(text);
    const ids: number[] = [];
    for (const word of base.pre_tokenizer(normal, { section_index: 0 })) {
      const symbols = word.length > LONG_RUN
        ? await mergeRun(
          word,
          (left, right) => base.model.bpe_ranks.get(JSON.stringify([left, right])),
          pause,
        )
        : base.model([word]);
      for (const symbol of symbols) ids.push(base.model.tokens_to_ids.get(symbol)!);
      await pause();
    }
    return ids;
  }

  /** Ids → text; control tokens are left out unless `keepSpecial`. Unknown ids give nothing. */
  decode(ids: ArrayLike<number>, keepSpecial = false): string {
    const stream = this.detokenizer(keepSpecial);
    let text = "";
    for (let i = 0; i < ids.length; i++) text += stream.push(ids[i]);
    return text + stream.end();
  }

  /** A decoder for ids that come one by one. */
  detokenizer(keepSpecial = false): Detokenizer {
    return new Detokenizer(
      (id) => !keepSpecial && this.specialIds.has(id) ? NOTHING : this.tokenBytes(id),
      this.#pieces,
    );
  }

  /** UTF-8 bytes of one token (may be part of a character); empty for an unknown id. */
  tokenBytes(id: number): Uint8Array {
    let bytes = this.#bytes.get(id);
    if (bytes === undefined) {
      const added = this.#byId.get(id);
      const token = added === undefined ? this.#base.id_to_token(id) : undefined;
      bytes = added !== undefined
        ? new TextEncoder().encode(added.content)
        : token === undefined
        ? NOTHING
        : this.#pieces
        ? pieceBytes(token)
        : byteLevelBytes(token);
      this.#bytes.set(id, bytes);
    }
    return bytes;
  }

  /** Id of a control token or of a vocabulary entry as it stands in the file. */
  tokenId(content: string): number | undefined {
    return this.added.get(content)?.id ?? this.#base.token_to_id(content);
  }

  /** Content of an added token by its id. */
  addedContent(id: number): string | undefined {
    return this.#byId.get(id)?.content;
  }
}

/** Characters encoded in one go, characters from which a stretch is a run, and how long other work may wait. */
const LONG_PIECE = 1024, LONG_RUN = 2048, SLICE_MS = 8;

/** The library's steps, for `encodeRun`. */
interface BaseParts {
  normalizer: ((text: string) => string) | null;
  pre_tokenizer: (text: string, options: { section_index: number }) => string[];
  model: ((words: string[]) => string[]) & {
    bpe_ranks: Map<string, number>;
    tokens_to_ids: Map<string, number>;
  };
}

const NOTHING = new Uint8Array(0);

function addExtra(tokens: AddedToken[], id: number, content: string): void {
  const known = tokens.find((token) => token.content === content);
  if (known !== undefined && known.id !== id) {
    throw new Error(`Cannot use tokenizer.json: ${content} is ${known.id} there and ${id} in config.json`);
  }
  const holder = tokens.find((token) => token.id === id);
  if (holder !== undefined && holder.content !== content) {
    throw new Error(
      `Cannot use tokenizer.json: ${id} is ${holder.content} there and ${content} in config.json`,
    );
  }
  if (known === undefined) {
    tokens.push({
      id,
      content,
      special: true,
      normalized: false,
      lstrip: false,
      rstrip: false,
      singleWord: false,
    });
  } else {
    known.special = true; // a placeholder is a control token whatever the file's flag says
  }
}
