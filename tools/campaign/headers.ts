/** Mutated headers of safetensors files and manifests: refused with a reason, or right by an independent look. */

import { parseHeader, SafetensorsError, type TensorInfo } from "../../src/gpu/safetensors.ts";
import { parseManifest } from "../../src/weights/manifest.ts";
import { type Campaign, randomFrom } from "./campaign.ts";

const WIDTH: Record<string, number> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
};

const HEADER = JSON.stringify({
  __metadata__: { format: "pt" },
  "a.weight.int4": { dtype: "U32", shape: [4, 8, 4], data_offsets: [0, 512] },
  "a.weight.scale_min": { dtype: "F16", shape: [4, 2, 4, 2], data_offsets: [512, 640] },
  "a.bias": { dtype: "BF16", shape: [16], data_offsets: [640, 672] },
  "empty": { dtype: "F32", shape: [0], data_offsets: [672, 672] },
  "scalar": { dtype: "I64", shape: [], data_offsets: [672, 680] },
});
const DATA = 680;

const digest = (digits: number) => "0123456789abcdef".repeat(4).slice(0, digits);
const MANIFEST = JSON.stringify({
  format: 2,
  source: "org/name",
  revision: digest(40),
  reasoning: "none",
  recipe: digest(64),
  sizes: { "model.safetensors": 1234, "config.json": 10 },
  headers: { "model.safetensors": digest(64) },
  files: { "model.safetensors": digest(64), "config.json": digest(64) },
  tensors: { "a.bias": digest(64) },
  crc32: { "a.bias": digest(8) },
});

/** In a number's place. */
const IN_PLACE = [
  "-1",
  "1e3",
  "1e400",
  "0.5",
  "null",
  "true",
  "[]",
  "{}",
  "4194305",
  "211106198978564",
  "9007199254740993",
];
/** Pieces that parsers stumble over. */
const PIECES = [
  ...IN_PLACE,
  '"F32"',
  '"__proto__"',
  '"constructor"',
  '"../x"',
  "\\u0000",
  '"',
  ",",
  "[0,",
  "]",
  "{",
  "}",
  "99999999999999999999",
];

function mutated(text: string, next: () => number): string {
  const below = (n: number) => Math.floor(next() * n);
  for (let i = 1 + below(3); i > 0; i--) {
    const at = below(text.length);
    switch (below(5)) {
      case 0:
        text = text.slice(0, at) + String.fromCharCode(below(128)) + text.slice(at + 1);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + 1 + below(8));
        break;
      case 2:
        text = text.slice(0, at) + PIECES[below(PIECES.length)] + text.slice(at + below(6));
        break;
      case 3: { // a number becomes another
        const numbers = [...text.matchAll(/\d+/g)];
        const number = numbers[below(numbers.length)];
        if (number === undefined) break;
        const end = number.index + number[0].length;
        text = text.slice(0, number.index) + IN_PLACE[below(IN_PLACE.length)] + text.slice(end);
        break;
      }
      default: { // a stretch is moved
        const stretch = text.slice(at, at + below(60));
        const to = below(text.length);
        text = text.slice(0, to) + stretch + text.slice(to);
      }
    }
  }
  return text;
}

/** Why accepted tensors are wrong; null: they are right. */
function wrongTensors(tensors: ReadonlyMap<string, TensorInfo>, dataSize: number): string | null {
  let at = 0;
  for (
    const { name, dtype, shape, begin, end } of [...tensors.values()].sort((a, b) =>
      a.begin - b.begin || a.end - b.end
    )
  ) {
    const width = BigInt(WIDTH[dtype] ?? 1);
    const bytes = shape.reduce((product, n) => product * BigInt(n), width);
    if (bytes !== BigInt(end - begin)) {
      return `${name}: ${bytes} bytes by its shape, ${end - begin} by its offsets`;
    }
    if (begin !== at) return `${name} begins at ${begin}, not at ${at}`;
    at = end;
  }
  return at === dataSize ? null : `the data ends at ${at}, not at ${dataSize}`;
}

/** @returns what was accepted and refused; the first that was wrong */
export function tryHeaders(
  count: number,
  seed: number,
): { accepted: number; refused: number; wrong: string | null } {
  const next = randomFrom(seed);
  const encoder = new TextEncoder();
  const result = { accepted: 0, refused: 0, wrong: null as string | null };
  for (let i = 0; i < count && result.wrong === null; i++) {
    const manifest = i % 2 === 1;
    const text = mutated(manifest ? MANIFEST : HEADER, next);
    try {
      if (manifest) {
        const { files, tensors, crc32, sizes } = parseManifest("manifest.json", text);
        const bad = Object.keys(files).find((name) => /[/\\]|^\.|\0/.test(name)) ??
          Object.values({ ...files, ...tensors }).find((d) => !/^[0-9a-f]{64}$/.test(d)) ??
          Object.values(crc32).find((d) => !/^[0-9a-f]{8}$/.test(d)) ??
          Object.values(sizes).find((n) => !Number.isSafeInteger(n) || n < 0);
        if (bad !== undefined) result.wrong = `accepted ${JSON.stringify(bad)} in ${text}`;
      } else {
        const header = encoder.encode(text);
        const { tensors } = parseHeader("x.safetensors", header, 8 + header.length + DATA);
        const wrong = wrongTensors(tensors, DATA);
        if (wrong !== null) result.wrong = `${wrong} in ${text}`;
      }
      result.accepted++;
    } catch (error) {
      const told = manifest
        ? /^Cannot read manifest\.json: /.test((error as Error).message)
        : error instanceof SafetensorsError;
      if (!told) result.wrong = `${(error as Error).stack} for ${text}`;
      result.refused++;
    }
  }
  return result;
}

export const headers: Campaign = {
  id: "issue 7, 5",
  target: "1,000,000 mutated headers of safetensors and manifest: 0 uncaught, 0 wrong accepts",
  run(scale) {
    const count = Math.round(1_000_000 * scale);
    const { accepted, refused, wrong } = tryHeaders(count, 7);
    return Promise.resolve({
      did: `${count} headers`,
      figures: `${refused} refused, ${accepted} accepted and right`,
      missed: wrong === null ? [] : [wrong],
    });
  },
};
