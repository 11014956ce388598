/** Which matrices get 8 bits. */
import { chooseInt8, type Matrix } from "../../src/weights/mixed.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** A trunk of four layers: v 8 × 16, gate and up 48 × 16, down 16 × 48, q 16 × 16; embedding and head 32 × 16. */
const TRUNK: Matrix[] = [
  { name: "model.embed_tokens.weight", shape: [32, 16] },
  ...[0, 1, 2, 3].flatMap((i) => [
    { name: `model.layers.${i}.self_attn.q_proj.weight`, shape: [16, 16] },
    { name: `model.layers.${i}.self_attn.v_proj.weight`, shape: [8, 16] },
    { name: `model.layers.${i}.mlp.gate_proj.weight`, shape: [48, 16] },
    { name: `model.layers.${i}.mlp.down_proj.weight`, shape: [16, 48] },
  ]),
  { name: "lm_head.weight", shape: [32, 16] },
];
const TOTAL = TRUNK.reduce((sum, { shape: [n, k] }) => sum + n * k, 0);
/** Bits a weight when so many weights of the trunk have eight. */
const bitsFor = (weights: number): number => 5 + 4 * weights / TOTAL;

Deno.test("mixed precision: never more bits than asked; v first, then down from the ends inwards, then the head", () => {
  assertEquals([...chooseInt8(TRUNK, 5)], []);
  assertEquals(chooseInt8(TRUNK, 9).size, TRUNK.length);
  assertEquals([...chooseInt8(TRUNK, bitsFor(2 * 128))].map((n) => n.slice(13, 20)), [
    "0.self_",
    "3.self_",
  ]);
  const names = [...chooseInt8(TRUNK, bitsFor(4 * 128 + 2 * 768))];
  assertEquals(names.slice(4), [
    "model.layers.0.mlp.down_proj.weight",
    "model.layers.3.mlp.down_proj.weight",
  ]);
  assertEquals([...chooseInt8(TRUNK, bitsFor(4 * 128 + 4 * 768 + 512))].at(-1), "lm_head.weight");
  for (let bits = 5; bits <= 9; bits += 0.13) {
    const chosen = chooseInt8(TRUNK, bits);
    const weights = TRUNK.filter(({ name }) => chosen.has(name)).reduce(
      (a, { shape: [n, k] }) => a + n * k,
      0,
    );
    assert(bitsFor(weights) <= bits + 1e-9, `${bitsFor(weights)} bits, ${bits} were asked for`);
  }
});
