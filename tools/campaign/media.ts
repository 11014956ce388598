/** T-FUZZ-MEDIA: mutated pictures, sounds and videos through the real decoders, over HTTP. */

import { type Campaign, each, randomFrom, Tally } from "./campaign.ts";
import { FAKE, startProcess } from "./server_process.ts";

const FIXTURES = new URL("../../tests/fixtures/media", import.meta.url).pathname;
/** Of the whole: those that need an ffmpeg process are far slower. */
const WITH_FFMPEG = 0.02;
const NEEDS_FFMPEG = /\.(mp4|webm|avi|m4a)$/;
const KINDS: Record<string, "image" | "audio" | "video"> = {
  images: "image",
  sounds: "audio",
  videos: "video",
};

interface Seed {
  kind: "image" | "audio" | "video";
  name: string;
  bytes: Uint8Array;
}

export const media: Campaign = {
  id: "T-FUZZ-MEDIA",
  target:
    "100,000 mutated files (2,000 by ffmpeg): no crash, nothing over 2 s but by ffmpeg, 200, 400 or 413 only, memory back",
  async run(scale) {
    const count = Math.round(100_000 * scale), seeds = readSeeds(), random = randomFrom(17);
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":0}']);
    const statuses = new Tally(), missed: string[] = [], ends = new Tally();
    const [heavy, light] = [
      seeds.filter(({ name }) => NEEDS_FFMPEG.test(name)),
      seeds.filter(({ name }) => !NEEDS_FFMPEG.test(name)),
    ];
    let slowest = 0, byFfmpeg = 0, warm = 0, peak = 0;
    const numbers = Array.from({ length: count }, (_, i) => i);
    await each(numbers, 3, async (i) => {
      // One after the other, so that none waits for a process that is not its own.
      const from = i >= count * (1 - WITH_FFMPEG) ? heavy : light;
      const seed = from[Math.floor(random() * from.length)];
      if (from === heavy) byFfmpeg++;
      const bytes = mutated(seed.bytes, random);
      const field = `${seed.kind}_url`;
      const before = performance.now();
      const response = await server.post("/v1/chat/completions", {
        max_tokens: 1,
        messages: [{
          role: "user",
          content: [{ type: field, [field]: { url: `data:x/y;base64,${bytes.toBase64()}` } }],
        }],
      });
      const text = await response.text();
      const took = performance.now() - before;
      if (from === light) slowest = Math.max(slowest, took);
      statuses.add(response.status);
      if (response.status === 400) ends.add(/"code":"(\w+)"/.exec(text)?.[1] ?? "?");
      if (![200, 400, 413].includes(response.status)) {
        missed.push(`${seed.name}: ${response.status} ${text.slice(0, 160)}`);
      }
      if (from === light && took > 2000) missed.push(`${seed.name}: ${took.toFixed(0)} ms`);
      if (i % 500 === 0) peak = Math.max(peak, server.memory());
      if (i === Math.floor(count / 10)) warm = server.memory();
    });
    const grown = (server.memory() - warm) / 2 ** 20;
    const code = await server.stop();
    if (code !== 0) missed.push(`exit code ${code}`);
    if (grown > 256) missed.push(`memory +${grown.toFixed(0)} MiB`);
    return {
      did: `${count} files made of ${seeds.length}, ${byFfmpeg} of them by ffmpeg`,
      figures: `${statuses}; slowest without ffmpeg ${slowest.toFixed(0)} ms; memory at the end ${
        grown.toFixed(0)
      } MiB over that after a tenth, peak ${(peak / 2 ** 20).toFixed(0)} MiB; ${ends}`,
      missed,
    };
  },
};

function readSeeds(): Seed[] {
  return Object.entries(KINDS).flatMap(([folder, kind]) =>
    [...Deno.readDirSync(`${FIXTURES}/${folder}`)].filter(({ name }) => !/\.(json|py)$/.test(name)).map((
      { name },
    ) => ({
      kind,
      name,
      bytes: Deno.readFileSync(`${FIXTURES}/${folder}/${name}`),
    }))
  );
}

/** Bits flipped, pieces moved, cut, doubled, and numbers that lie about lengths. */
function mutated(bytes: Uint8Array, random: () => number): Uint8Array {
  let out = bytes.slice();
  const below = (most: number) => Math.floor(random() * most);
  for (let times = 1 + below(4); times > 0; times--) {
    const at = random() < 0.5 ? below(Math.min(out.length, 64)) : below(out.length);
    switch (below(6)) {
      case 0:
        out[at] ^= 1 << below(8);
        break;
      case 1:
        out[at] = [0, 0xff, 0x7f, 0x80][below(4)];
        break;
      case 2:
        new DataView(out.buffer).setUint32(
          Math.max(0, Math.min(at, out.length - 4)),
          [0, 0xffffffff, 0x7fffffff, 0x10000][below(4)],
          random() < 0.5,
        );
        break;
      case 3:
        out = out.slice(0, Math.max(5, at));
        break;
      case 4: {
        const piece = out.slice(at, at + 1 + below(64));
        const to = below(out.length);
        const longer = new Uint8Array(out.length + piece.length);
        longer.set(out.subarray(0, to));
        longer.set(piece, to);
        longer.set(out.subarray(to), to + piece.length);
        out = longer;
        break;
      }
      default:
        out.copyWithin(below(out.length), at, at + 1 + below(64));
    }
  }
  return out;
}
