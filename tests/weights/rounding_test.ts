/** Rounding in WebAssembly: the module is what its source says, and gives what plain JavaScript gives, bit by bit. */
import { halfBits, HALVES } from "../../src/weights/half.ts";
import { bitsOf, type CodedTensor, QuantiseError, type ValueBits } from "../../src/weights/quantise.ts";
import { quantiseNearest, quantiseSearch, type Values } from "../../src/weights/rounding.ts";
import { assemble } from "../../tools/assemble.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { noise, random } from "../support/gpu.ts";
import { nearestReference, searchReference } from "./reference_rounding.ts";
import { bfloat, valuesOf } from "./support.ts";

Deno.test("rounding.wasm is what rounding/*.as say", async () => {
  const kept = Deno.readFileSync(new URL("../../src/weights/rounding/rounding.wasm", import.meta.url));
  assert(same(await assemble(), kept), "run `deno task assemble` after a change of rounding/*.as");
});

/** Values in the three kinds that are read, each with the bits that the reference takes. */
function kinds(floats: Float32Array<ArrayBuffer>): [string, Values, ValueBits][] {
  const words = bfloat(floats), halves = Uint16Array.from(floats, halfBits);
  return [
    ["BF16", valuesOf(words), words],
    ["F16", valuesOf(halves, "F16"), bitsOf(Float32Array.from(halves, (bits) => HALVES[bits]))],
    ["F32", valuesOf(floats), bitsOf(floats)],
  ];
}

const SHAPES = [[4, 32], [1, 32], [9, 64], [7, 50], [5, 7], [3, 1], [6, 33], [2, 31], [66, 96], [4, 40], [
  13,
  4104,
]];

/** [rows, k] of what is hard to round, by name. */
const HARD: Record<string, (at: number, next: () => number) => number> = {
  "normal-looking": (_, next) => 0.04 * (next() + next() + next() - 1.5),
  "all alike in a group": (at) => 0.1 * Math.sin(at >> 5),
  "ties: half steps exactly": (at) => (at % 32 === 0 ? 0 : at % 32 === 31 ? 15 : (at % 30) / 2),
  "zeros of both signs": (_, next) => next() < 0.5 ? -0 : 0,
  "zeros of both signs and more": (_, next) => next() < 0.3 ? -0 : next() < 0.5 ? 0 : next(),
  "far from zero, so that the minimum is off": (_, next) => 60000 + 3 * next(),
  "below zero, far": (_, next) => -1000.3 - next() / 100,
  "at the ends of half precision": (_, next) => next() < 0.5 ? 65504 : -65504,
  "under the smallest half": (_, next) => 1e-8 * (next() - 0.5),
  "subnormal halves": (_, next) => 1e-5 * (next() - 0.5),
  "subnormal floats": (_, next) => 1e-42 * (next() - 0.5),
  "many scales": (_, next) => (next() - 0.5) * 2 ** Math.floor(30 * next() - 18),
  "one far out": (at, next) => at % 32 === 5 ? 50 : 0.01 * next(),
};

Deno.test("nearest and search: equal to the reference in every bit, on awkward shapes and values", () => {
  const next = random(11);
  for (const [rows, k] of SHAPES) {
    for (const [name, value] of Object.entries(HARD)) {
      const floats = Float32Array.from({ length: rows * k }, (_, at) => value(at, next));
      const importance = Float32Array.from({ length: k }, () => next() < 0.2 ? 0 : next() ** 4);
      for (const [kind, values, bits] of kinds(floats)) {
        const what = `${name}, ${kind} [${rows}, ${k}]`;
        equal(quantiseNearest(values, rows, k), nearestReference(bits, rows, k), `nearest: ${what}`);
        equal(quantiseSearch(values, rows, k), searchReference(bits, rows, k), `search: ${what}`);
        equal(
          quantiseSearch(values, rows, k, importance),
          searchReference(bits, rows, k, importance),
          `weighted search: ${what}`,
        );
      }
    }
  }
});

Deno.test("nearest: every bfloat16 and every half beside its neighbours", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  for (const dtype of ["BF16", "F16"] as const) {
    const floats = Float32Array.from(all, (bits) => dtype === "F16" ? HALVES[bits] : asBfloat(bits));
    const kept = all.filter((bits) => Math.abs(floats[bits]) <= 65504);
    const rows = Math.floor(kept.length / 64), words = kept.subarray(0, rows * 64);
    const bits = bitsOf(Float32Array.from(words, (word) => floats[word]));
    assert(rows > 500, `${rows} rows`);
    equal(quantiseNearest(valuesOf(words, dtype), rows, 64), nearestReference(bits, rows, 64), dtype);
  }
});

Deno.test("refused values: the same row as the reference, whatever lies before and behind", () => {
  const bad = [NaN, -NaN, Infinity, -Infinity, 70000, -70000];
  for (const [rows, k] of SHAPES) {
    for (const [i, value] of bad.entries()) {
      const floats = noise(i + rows, rows * k);
      // In an early group of a late row, and in the last group of an earlier one.
      floats[Math.floor((rows - 1) * 0.8) * k] = value;
      floats[Math.floor((rows - 1) * 0.6) * k + k - 1] = value;
      for (const [kind, values, bits] of kinds(floats)) {
        const row = refusedRow(() => nearestReference(bits, rows, k));
        assert(row !== null, `${kind} ${value}`);
        assertEquals(refusedRow(() => quantiseNearest(values, rows, k)), row);
        assertEquals(refusedRow(() => quantiseSearch(values, rows, k)), row);
      }
    }
  }
});

Deno.test("a spare buffer is taken where it fits, and what lay in it leaves no trace", () => {
  const values = valuesOf(noise(3, 7 * 50));
  const wanted = quantiseNearest(values, 7, 50);
  const spare = new Uint32Array(wanted.words.length).fill(0xffffffff).buffer;
  const out = quantiseNearest(values, 7, 50, spare);
  assert(out.words.buffer === spare, "another buffer");
  equal(out, wanted, "spare");
  equal(quantiseNearest(values, 7, 50, new ArrayBuffer(8)), wanted, "a spare of another size");
});

const asBfloat = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0];

function refusedRow(run: () => unknown): number | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof QuantiseError)) throw error;
    return error.row;
  }
}

const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && !Array.prototype.some.call(a, (value, i) => value !== b[i]);

function equal(a: CodedTensor, b: CodedTensor, what: string): void {
  assert(same(a.scales, b.scales), `${what}: scales`);
  assert(same(a.words, b.words), `${what}: words`);
}
