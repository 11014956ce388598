/** Rounding: nearest against a plain statement of the rule, search against nearest. */
import { fromHalf, toHalf } from "../../src/gpu/safetensors.ts";
import { halfBits } from "../../src/weights/half.ts";
import { type CodedTensor, GROUP } from "../../src/weights/quantise.ts";
import { quantiseNearest, quantiseSearch } from "../../src/weights/rounding.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { noise, random } from "../support/gpu.ts";
import { bfloat, valuesOf } from "./support.ts";

Deno.test("halfBits rounds as toHalf does", () => {
  const bits = new Uint32Array(1), value = new Float32Array(bits.buffer);
  const next = random(1);
  for (let i = 0; i < 200_000; i++) {
    bits[0] = i % 2 ? next() * 2 ** 32 : 0x32000000 + next() * 0x16000000;
    assertEquals(halfBits(value[0]), toHalf(value[0]), `bits ${bits[0].toString(16)}`);
  }
});

Deno.test("nearest: codes and ends as the rule says, odd widths padded with 0", () => {
  for (const k of [32, 50, 64, 7]) {
    const rows = 9, groups = Math.ceil(k / GROUP);
    const values = noise(k, rows * k, 3);
    const out = quantiseNearest(valuesOf(values), rows, k);
    for (let r = 0; r < rows; r++) {
      for (let g = 0; g < groups; g++) {
        const group = values.subarray(r * k + g * GROUP, Math.min(r * k + (g + 1) * GROUP, (r + 1) * k));
        const low = toHalf(Math.min(...group));
        const scale = toHalf((Math.max(...group) - fromHalf(low)) / 15);
        assertEquals(out.scales[scaleAt(r, groups, g)], (scale | (low << 16)) >>> 0);
        for (let i = 0; i < GROUP && g * GROUP + i < 8 * Math.ceil(k / 8); i++) {
          const q = i < group.length
            ? Math.max(0, Math.min(15, Math.round((group[i] - fromHalf(low)) / fromHalf(scale))))
            : 0;
          assert(Math.abs(code(out, r, k, g * GROUP + i) - q) <= (i < group.length ? 1 : 0));
        }
      }
    }
  }
});

Deno.test("nearest: bfloat16 words and their float32 give the same", () => {
  const words = bfloat(noise(3, 64 * 96));
  const floats = new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
  assertEquals(quantiseNearest(valuesOf(words), 64, 96), quantiseNearest(valuesOf(floats), 64, 96));
});

Deno.test("search: less error than nearest in every group; importance moves it", () => {
  const k = 128, rows = 20;
  const values = noise(7, rows * k);
  const near = quantiseNearest(valuesOf(values), rows, k), best = quantiseSearch(valuesOf(values), rows, k);
  for (let at = 0; at < values.length; at += GROUP) {
    assert(error(best, values, k, at) <= error(near, values, k, at) * 1.000001, `group at ${at}`);
  }
  const importance = Float32Array.from({ length: k }, (_, i) => i % 8 === 0 ? 100 : 1);
  const weighted = quantiseSearch(valuesOf(values), rows, k, importance);
  const sum = (q: CodedTensor) => {
    let all = 0;
    for (let at = 0; at < values.length; at += GROUP) all += error(q, values, k, at, importance);
    return all;
  };
  assert(sum(weighted) < sum(best), "the weighted error did not fall");
});

Deno.test("values that no half holds are refused with their row", async () => {
  for (const bad of [NaN, -NaN, Infinity, -Infinity, 70000]) {
    for (const quantise of [quantiseNearest, quantiseSearch]) {
      const values = noise(5, 4 * 64);
      values[2 * 64 + 40] = bad;
      await assertThrows(() => quantise(valuesOf(values), 4, 64), /row 2/);
    }
  }
});

/** Where row r's pair of group g lies. */
const scaleAt = (row: number, groups: number, g: number): number =>
  (row >> 2) * groups * 4 + 4 * g + (row & 3);

function code(q: CodedTensor, row: number, k: number, i: number): number {
  const lane = i & 7;
  const word = q.words[(row >> 2) * Math.ceil(k / 8) * 4 + 4 * (i >> 3) + (row & 3)];
  return (word >>> (lane < 4 ? 8 * lane : 8 * lane - 28)) & 15;
}

/** Weighted squared error of the group that begins at `at`. */
function error(
  q: CodedTensor,
  values: Float32Array,
  k: number,
  at: number,
  importance?: Float32Array,
): number {
  const row = Math.floor(at / k), groups = k / GROUP;
  let sum = 0;
  for (let i = at; i < at + GROUP; i++) {
    const s = q.scales[scaleAt(row, groups, (i - row * k) / GROUP | 0)];
    const v = fromHalf(s & 0xffff) * code(q, row, k, i - row * k) + fromHalf(s >>> 16);
    sum += (importance?.[i % k] ?? 1) * (v - values[i]) ** 2;
  }
  return sum;
}
