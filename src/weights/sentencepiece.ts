/**
 * LLaMA's tokenizer.model, which old checkpoints carry alone, as the tokenizer.json that is served. Sentencepiece's BPE
 * merges the pair whose piece has the highest score; a tokenizer.json lists the pairs in that order. Fields:
 * google/sentencepiece, src/sentencepiece_model.proto.
 */
import { fieldsOf } from "./protobuf.ts";

const NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6;
const BPE = 2;

interface Piece {
  content: string;
  score: number;
  kind: number;
}

/** A token that stands beside the pieces. */
export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/**
 * @param beside tokens that other files of the checkpoint add
 * @returns the text of tokenizer.json
 * @throws Error that says what is damaged or not read, without the file's name
 */
export function tokenizerOfModel(model: Uint8Array, beside: readonly AddedToken[]): string {
  const pieces = readModel(model);
  const vocab = new Map(pieces.map(({ content }, id) => [content, id]));
  if (vocab.size !== pieces.length) throw new Error("it has a piece twice");
  const added = new Map<number, AddedToken>();
  pieces.forEach(({ content, kind }, id) => {
    if (kind === UNKNOWN || kind === CONTROL) added.set(id, { id, content, special: true });
    if (kind === USER_DEFINED) added.set(id, { id, content, special: false });
  });
  for (const token of beside) {
    const known = vocab.get(token.content);
    if (known === undefined ? token.id < pieces.length : known !== token.id) {
      throw new Error(`added token ${token.content} has the id ${token.id} of another piece`);
    }
    added.set(token.id, token);
  }
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...added.values()].sort((a, b) => a.id - b.id).map((token) => ({
      ...token,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: pieces.find(({ kind }) => kind === UNKNOWN)?.content ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(vocab),
      merges: mergesOf(pieces, vocab),
    },
  });
}

/** Every pair of pieces that makes a piece, the best first; of one score by the piece's id, then by the left one's. */
function mergesOf(pieces: readonly Piece[], vocab: ReadonlyMap<string, number>): string[] {
  const pairs: { text: string; score: number; id: number; left: number }[] = [];
  pieces.forEach(({ content, score }, id) => {
    for (let at = 0; at < content.length;) {
      at += content.codePointAt(at)! > 0xffff ? 2 : 1;
      const left = vocab.get(content.slice(0, at)), right = content.slice(at);
      if (left === undefined || !vocab.has(right)) continue;
      pairs.push({ text: `${content.slice(0, at)} ${right}`, score, id, left });
    }
  });
  pairs.sort((a, b) => b.score - a.score || a.id - b.id || a.left - b.left);
  return pairs.map(({ text }) => text);
}

function readModel(model: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  let kind = 1, plain = true, prefix = true, squeezed = true, byteFallback = false;
  for (const [number, value] of fieldsOf(model)) {
    if (!(value instanceof Uint8Array)) continue;
    if (number === 1) pieces.push(readPiece(value));
    if (number === 2) {
      for (const [n, v] of fieldsOf(value)) {
        if (n === 3) kind = Number(v);
        if (n === 35) byteFallback = v === 1;
      }
    }
    if (number === 3) {
      for (const [n, v] of fieldsOf(value)) {
        if (n === 2) plain = v instanceof Uint8Array && v.length === 0;
        if (n === 3) prefix = v === 1;
        if (n === 4) squeezed = v === 1;
      }
    }
  }
  if (pieces.length === 0) throw new Error("it has no pieces");
  if (kind !== BPE) throw new Error("it is no BPE model");
  if (!byteFallback && !pieces.some((piece) => piece.kind === BYTE)) {
    throw new Error("it has no byte fallback");
  }
  if (!plain || !prefix || squeezed) throw new Error("it changes the text otherwise than LLaMA's does");
  return pieces;
}

function readPiece(bytes: Uint8Array): Piece {
  const piece: Piece = { content: "", score: 0, kind: NORMAL };
  for (const [number, value] of fieldsOf(bytes)) {
    if (number === 1 && value instanceof Uint8Array) {
      piece.content = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    }
    if (number === 2) piece.score = Number(value);
    if (number === 3) piece.kind = Number(value);
  }
  if (piece.content === "") throw new Error("a piece in it is empty");
  return piece;
}
